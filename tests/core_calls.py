"""Calls of the compiled core itself, on NumPy arrays by name, and what the equations say of them: no torch."""

from typing import Any

import numpy as np

from penstock import equations
from penstock.native import core

Array = np.ndarray[Any, np.dtype[Any]]
Call = dict[str, Any]

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
MASKS = ("lengths", "resets", "decay")
GATES = ("reset", "update", "candidate", "recurrent")
GRADIENTS_OF = ("x", "h_0", *WEIGHTS, "decay")
HOW = ("after", "reverse", "threads")
FIELDS = {"output": "hidden", "h_n": "h_n", "reset": "reset", "update": "update", "candidate": "candidate"}
"""What forward writes, and what the oracle calls it."""
ERROR = {"float64": 1e-13, "float32": 3e-6, "bfloat16": 2e-2, "int8": 3e-2}
"""Largest difference from float64 of any state or gate, as in test_layer.py."""

# The order in which the binding takes them.
FORWARD = (*HOW, "x", "h_0", *WEIGHTS, *MASKS, "packed", "output", "h_n", *GATES)
BACKWARD = (
    *HOW,
    *("x", "h_0", *WEIGHTS, *MASKS, "output", *GATES),
    *(f"grad_{name}" for name in ("output", "h_n", "reset", "update", "candidate", *GRADIENTS_OF)),
)


def draw(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Array:
    """Uniform in ±scale, times 2^-10 a whole number: the same bits on every machine and in every dtype."""
    return rng.integers(-1024, 1025, shape) * (scale / 1024)


def inputs(
    L: int,
    N: int,
    D: int,
    H: int,
    *,
    after: bool,
    dtype: Any = np.float64,
    seed: int = 0,
    bias: bool = True,
    masks: bool = False,
    decay: int | None = None,
    **how: Any,
) -> Call:
    """What a call of these sizes reads; ``masks`` gives it lengths and resets, ``decay`` so wide a last axis of one."""
    rng = np.random.default_rng([seed, L, N, D, H])
    scale = 2.0 ** -(max(D, H).bit_length() // 2)
    shapes = [(3 * H, D), (3 * H, H), (3 * H,), (3 * H,)][: 4 if bias else 2]
    call: Call = {"after": after, "reverse": False, "threads": 1}
    call |= {"x": draw(rng, L, N, D).astype(dtype), "h_0": draw(rng, N, H).astype(dtype)}
    call |= {n: draw(rng, *s, scale=scale).astype(dtype) for n, s in zip(WEIGHTS, shapes, strict=False)}
    if masks:
        call |= {"lengths": rng.integers(0, L + 1, N), "resets": rng.random((L, N)) < 0.2}
    if decay is not None:
        call["decay"] = np.abs(draw(rng, L, N, decay)).astype(dtype)
    return call | how


def results(call: Call) -> dict[str, Array]:
    """Arrays for all that forward writes, full of NaN."""
    (L, N, _), H = call["x"].shape, call["h_0"].shape[1]
    names = ("output", *GATES[: 4 if call["after"] else 3])
    made = {name: np.full((L, N, H), np.nan, call["x"].dtype) for name in names}
    return made | {"h_n": np.full((N, H), np.nan, call["x"].dtype)}


def gradients(call: Call) -> dict[str, Array]:
    """Arrays for all gradients of what the call was given, full of NaN."""
    shapes = {name: call[name].shape for name in GRADIENTS_OF if call.get(name) is not None}
    if "decay" in shapes:
        shapes["decay"] = (*shapes["decay"][:2], call["h_0"].shape[1])
    return {f"grad_{name}": np.full(shape, np.nan, call["x"].dtype) for name, shape in shapes.items()}


def forward(call: Call) -> None:
    """Runs it; what is not in the call is None."""
    core.chosen().forward(*(call.get(name) for name in FORWARD))


def backward(call: Call) -> None:
    """Runs it; what is not in the call is None."""
    core.chosen().backward(*(call.get(name) for name in BACKWARD))


def pack(call: Call, precision: int) -> Any:
    """The call's weights, packed."""
    return core.chosen().pack(call["after"], precision, *(call.get(name) for name in WEIGHTS))


def oracle(call: Call) -> equations.Steps:
    """The same by the equations, in float64; where the call holds complex arrays, in complex128."""

    def wide(value: Array | None) -> Array | None:
        return value if value is None or np.iscomplexobj(value) else value.astype(np.float64)

    masks = {"lengths": call.get("lengths"), "resets": call.get("resets"), "decay": wide(call.get("decay"))}
    weights = equations.by_gate(*(wide(call.get(name)) for name in WEIGHTS))  # type: ignore[arg-type]
    form = "after" if call["after"] else "before"
    x, h_0 = wide(call["x"]), wide(call["h_0"])
    assert x is not None
    assert h_0 is not None
    with np.errstate(invalid="ignore"):  # NaN past a sequence's end, which is dropped
        return equations.gru(x, h_0, weights, reset=form, reverse=bool(call["reverse"]), **masks)


def check_sizes(read: Call, backward: bool) -> None:
    """That a call which was taken has the shapes and types that it must have."""
    (L, N, D), H = read["x"].shape, read["weight_hh"].shape[1]
    each, state, bias = (L, N, H), (N, H), (3 * H,)
    shapes = {"x": (L, N, D), "h_0": state, "h_n": state, "lengths": (N,), "resets": (L, N)}
    shapes |= {"weight_ih": (3 * H, D), "weight_hh": (3 * H, H), "bias_ih": bias, "bias_hh": bias}
    for name in (BACKWARD if backward else FORWARD)[len(HOW) :]:
        value = read.get(name)
        if value is None or name == "packed":
            continue
        assert isinstance(value, np.ndarray), f"{name}: took {value!r}"
        expected = {shapes.get(name.removeprefix("grad_"), each)} | ({(L, N, 1)} if name == "decay" else set())
        assert value.shape in expected, name
        assert value.dtype == {"lengths": np.int64, "resets": np.bool_}.get(name, read["x"].dtype), name


def check_forward(read: Call, made: Call, error: float) -> None:
    """What a call made of what it read."""
    steps = oracle(read)
    for name, field in FIELDS.items():
        if made.get(name) is not None:
            np.testing.assert_allclose(made[name], getattr(steps, field), rtol=0, atol=error, err_msg=name)


def says_one_thing(read: Call) -> bool:
    """Whether a call of backward has a derivative: states and gates are what forward makes of the rest, all finite.

    They are but for rounding, which of numbers of this size in float64 is far below 1e-12; another call's are not.
    """
    made = results(read)
    forward(read | made | {"threads": 1, "packed": None})
    kept = {name: value for name, value in made.items() if name in BACKWARD}
    coming = [value for name, value in read.items() if name.startswith("grad_") and name[5:] in FIELDS]
    return all(np.isfinite(value).all() for value in coming if value is not None) and all(
        read[name] is not None and np.allclose(read[name], value, rtol=0, atol=1e-12) for name, value in kept.items()
    )


def check_backward(read: Call, made: dict[str, Array], error: float, rng: np.random.Generator) -> None:
    """Each gradient against the oracle's derivative along a random direction, by a complex step."""
    for key, gradient in made.items():
        name = key.removeprefix("grad_")
        along = rng.normal(size=read[name].shape)
        steps = oracle(read | {name: read[name].astype(np.float64) + 1e-30j * along})
        expected = sum(
            np.sum(read[f"grad_{at}"].astype(np.float64) * np.imag(getattr(steps, field))) / 1e-30
            for at, field in FIELDS.items()
            if read.get(f"grad_{at}") is not None
        )
        each = gradient * along
        assert abs(each.sum() - expected) <= error * (1 + np.abs(each).sum()), name
