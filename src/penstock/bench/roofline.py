"""The roofline: what this machine can do at best, measured in place, and what a shape could at best reach here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from penstock.native import core

KIB, MIB = 1 << 10, 1 << 20
ITEM_BYTES = {"float32": 4, "float64": 8, "bfloat16": 2, "int8": 1}


class Rate(NamedTuple):
    """A figure for one thread, and for all of them together."""

    one: float
    all: float


class Level(NamedTuple):
    """A level of memory and how fast it is read."""

    name: str
    capacity: int
    """Bytes; of one core for L1 and L2, of all for L3; 0 for memory, which holds everything."""
    bandwidth: Rate
    """GB/s."""


class Roofline(NamedTuple):
    """This machine, as the instruction set in use and so many threads can use it."""

    instruction_set: str
    threads: int
    peak: dict[str, Rate]
    """GFLOP/s of multiply-adds in registers, two operations each, for float32 and float64."""
    levels: tuple[Level, ...]
    """Nearest first."""
    barrier: float
    """µs that threads take to pass a barrier they come to together; 0 for one thread."""

    def on_one_thread(self) -> Roofline:
        """What one thread can do."""
        return self._replace(
            threads=1,
            peak={name: Rate(rate.one, rate.one) for name, rate in self.peak.items()},
            levels=tuple(level._replace(bandwidth=Rate(*[level.bandwidth.one] * 2)) for level in self.levels),
            barrier=0.0,
        )


def measure(threads: int) -> Roofline:
    """Measures in about two seconds, on 1 and on ``threads`` threads.

    Raises:
        RuntimeError: there is no compiled core.
    """
    machine = core.chosen()
    caches = cache_sizes()

    def level(name: str, capacity: int, one: int, each: int) -> Level:
        rates = [machine.read_bandwidth(t, size) / 1e9 for t, size in ((1, one), (threads, each))]
        return Level(name, capacity, Rate(*rates))

    l2 = caches.get(2, MIB)
    levels = [level("L1", caches.get(1, 32 * KIB), 16 * KIB, 16 * KIB), level("L2", l2, l2 // 2, l2 // 2)]
    if 3 in caches:
        third = max(2 * l2, min(caches[3] // 2 // threads, 8 * MIB))  # beyond L2, and room for every thread's own
        levels.append(level("L3", caches[3], third, third))
    beyond = min(max(4 * max(caches.values(), default=l2), 128 * MIB), 1024 * MIB)
    levels.append(level("memory", 0, beyond, beyond // threads))
    return Roofline(
        machine.name,
        threads,
        {
            name: Rate(machine.peak(precision, 1) / 1e9, machine.peak(precision, threads) / 1e9)
            for precision, name in enumerate(("float32", "float64"))
        },
        tuple(levels),
        machine.barrier_wait(threads) * 1e6 if threads > 1 else 0.0,
    )


def cache_sizes() -> dict[int, int]:
    """Bytes of each level of data cache that the system tells of; empty where it tells of none."""
    sizes = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind, level, size = ((index / name).read_text().strip() for name in ("type", "level", "size"))
            if kind != "Instruction":
                sizes[int(level)] = int(size.rstrip("KM")) * (MIB if size.endswith("M") else KIB)
        except (OSError, ValueError):
            continue
    for number, name in enumerate(("SC_LEVEL1_DCACHE_SIZE", "SC_LEVEL2_CACHE_SIZE", "SC_LEVEL3_CACHE_SIZE"), 1):
        if number not in sizes and name in os.sysconf_names and os.sysconf(name) > 0:
            sizes[number] = os.sysconf(name)
    return sizes


def operations(N: int, L: int, D: int, H: int, *, training: bool = False) -> int:
    """Floating-point operations of the products, two per multiply-add: 2 · N · L · 3H · (D + H).

    Training has three products for each one of inference: its own, and the gradients of its two factors.
    """
    return 2 * N * L * 3 * H * (D + H) * (3 if training else 1)


def bound(
    roofline: Roofline, N: int, L: int, D: int, H: int, *, training: bool = False, precision: str = "float32"
) -> float:
    """The seconds below which this shape cannot go on this machine: max(operations / peak, time to read the weights).

    The weights must be read whatever the batch: W_hh (3H, H) once a step, W_ih (3H, D) once, both twice in training;
    ``seconds_to_read`` says how fast. That bounds small batches, the peak large ones. Activations, barriers and all
    else that is read or written count for nothing, so that no program gets to 100%.
    """
    compute = operations(N, L, D, H, training=training) / (roofline.peak["float32"].all * 1e9)
    of_state, of_input = (3 * H * columns * ITEM_BYTES[precision] for columns in (H, D))
    read = (L - 1) * seconds_to_read(roofline, of_state) + seconds_to_read(roofline, of_state + of_input)
    return max(compute, read * (2 if training else 1))


def seconds_to_read(roofline: Roofline, size: int) -> float:
    """The seconds that all threads together need to read ``size`` bytes again and again.

    As much as fits stands in the nearest level, the next part in the level after it, and so on, at best.
    """
    seconds = 0.0
    for level in roofline.levels:
        cores = 1 if level.name == "L3" else roofline.threads
        here = min(size, level.capacity * cores) if level.capacity else size
        seconds += here / (level.bandwidth.all * 1e9)
        size -= here
    return seconds
