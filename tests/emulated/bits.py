"""Digests of what the core computes, to the last bit, on a fixed set of calls.

    python tests/emulated/bits.py                 prints them, for every instruction set of this machine that fuses
    python tests/emulated/bits.py --compare FILE  compares them with those of another machine

Sets that fuse a * b + c compute the same bits, on whatever processor: all but "portable" on those that need not fuse.
"""

import hashlib
import itertools
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import core_calls as calls
import numpy as np
from helpers import INSTRUCTION_SETS, on_instruction_set

from penstock.native import core
from penstock.native.layer import PRECISIONS

SIZES = [
    *[(1, 1, 1, 1), (1, 1, 64, 128), (12, 3, 5, 7), (5, 13, 9, 33)],
    *[(4, 50, 20, 70), (3, 2, 300, 270), (2, 14, 40, 300), (3, 200, 2, 3)],
]


def digest(*arrays: Any) -> str:
    """A short one."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:16]


def computed() -> Iterator[tuple[str, str]]:
    """The name of each call and the digest of what it makes."""
    options: list[dict[str, Any]] = [{}, {"masks": True, "reverse": True}, {"masks": True, "decay": True, "threads": 2}]
    for after, size, given in itertools.product((False, True), SIZES, options):
        L, N, D, H = size
        decay = {"decay": H if H % 2 else 1} if given.get("decay") else {}
        name = f"{'after' if after else 'before'} {size} {'+'.join(given) or 'plain'}"
        for precision in PRECISIONS:
            dtype = np.float64 if precision == "float64" else np.float32
            call = calls.inputs(L, N, D, H, after=after, dtype=dtype, **given | decay)
            made = calls.results(call)
            without = dict.fromkeys(calls.WEIGHTS)
            calls.forward(call | made | without | {"packed": calls.pack(call, PRECISIONS.index(precision))})
            yield f"{name} {precision}", digest(*made.values())
            if precision not in ("float32", "float64"):
                continue
            calls.forward(call | made)
            come = {f"grad_{n}": np.ones_like(made[n]) for n in ("output", "h_n", "reset", "update", "candidate")}
            go = calls.gradients(call)
            calls.backward(call | made | come | go)
            yield f"{name} {precision} backward", digest(*made.values(), *go.values())
    rng = np.random.default_rng(0)
    for rows, H, V in [(5, 1, 1), (40, 33, 97), (3, 300, 5000)]:
        weight, bias, hidden = (calls.draw(rng, *shape).astype(np.float32) for shape in ((V, H), (V,), (rows, H)))
        packed = core.chosen().pack_output(weight, bias)
        nats, logits = np.empty(rows), np.empty((rows, V), np.float32)
        packed.score(hidden, np.arange(rows) % V, nats, 2)
        packed.logits(hidden, logits, 2)
        yield f"output {rows, H, V}", digest(nats, logits)


def main() -> int:
    """1 where a call's digests differ, else 0."""
    fuse = [name for name in INSTRUCTION_SETS if name != "portable" or platform.machine() == "aarch64"]
    found = {}
    for name in fuse:
        with on_instruction_set(name):
            found[name] = dict(computed())
    if sys.argv[1:2] != ["--compare"]:
        print(json.dumps(found))
        return 0
    there: dict[str, dict[str, str]] = json.loads(Path(sys.argv[2]).read_text())
    pairs = list(itertools.product(found, there))
    differ = [
        f"{call}: {mine} here and {theirs} there differ"
        for mine, theirs in pairs
        for call in found[mine] | there[theirs]
        if found[mine].get(call) != there[theirs].get(call)
    ]
    print(*differ, sep="\n", end="\n" if differ else "")
    same = ", ".join(f"{mine} as {theirs}" for mine, theirs in pairs) or "nothing: one of the processors does not fuse"
    print(f"bits: compared {same}; {len(differ)} calls differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
