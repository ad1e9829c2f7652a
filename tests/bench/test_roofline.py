"""The roofline's figures, and the bound that follows from them."""

import pytest
from bench.machine import MACHINE
from helpers import INSTRUCTION_SETS, on_instruction_set

from penstock import native
from penstock.bench.roofline import Level, Rate, bound, cache_sizes, measure, operations, seconds_to_read

needs_core = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")


@needs_core
@pytest.mark.parametrize("name", INSTRUCTION_SETS)
@pytest.mark.parametrize("threads", [1, 2])
def test_every_figure_is_positive(name: str, threads: int) -> None:
    with on_instruction_set(name):
        roofline = measure(threads)
    assert (roofline.instruction_set, roofline.threads) == (name, threads)
    assert [level.name for level in roofline.levels][:2] == ["L1", "L2"]
    assert roofline.levels[-1] == Level("memory", 0, roofline.levels[-1].bandwidth)
    for rate in (*roofline.peak.values(), *(level.bandwidth for level in roofline.levels)):
        assert rate.one > 0
        assert rate.all > 0
    assert (roofline.barrier > 0) == (threads > 1)


def test_one_thread_of_it() -> None:
    one = MACHINE.on_one_thread()
    assert (one.threads, one.barrier, one.peak["float64"]) == (1, 0, Rate(50, 50))
    assert one.levels[1] == Level("L2", 1 << 20, Rate(100, 100))
    assert seconds_to_read(one, 32 << 10) == pytest.approx((32 << 10) / 200e9)


def test_caches_grow_with_their_level() -> None:
    sizes = [size for _, size in sorted(cache_sizes().items())]
    assert sizes == sorted(sizes)
    assert all(size >= 1024 for size in sizes)


def test_operations_are_those_of_the_products() -> None:
    assert operations(2, 3, 4, 5) == 2 * 2 * 3 * (15 * 4 + 15 * 5)
    assert operations(2, 3, 4, 5, training=True) == 3 * operations(2, 3, 4, 5)


def test_weights_fill_the_levels_from_the_nearest() -> None:
    # GB/s of both threads: 400, 200, 100, 20; L1 and L2 are each core's own
    L1, L2, L3 = (2 * 32 << 10, 2 << 20, 4 << 20)
    assert seconds_to_read(MACHINE, L1) == pytest.approx(L1 / 400e9)
    assert seconds_to_read(MACHINE, L1 + L2) == pytest.approx(L1 / 400e9 + L2 / 200e9)
    beyond = L1 / 400e9 + L2 / 200e9 + L3 / 100e9
    assert seconds_to_read(MACHINE, L1 + L2 + L3 + 20) == pytest.approx(beyond + 1e-9)


def test_weights_bound_small_batches_and_the_peak_large_ones() -> None:
    assert bound(MACHINE, 128, 100, 256, 256) == operations(128, 100, 256, 256) / 200e9
    swift = MACHINE._replace(peak={"float32": Rate(1e6, 1e6)})
    weights = 3 * 1024 * 1024 * 4
    once, both = seconds_to_read(swift, weights), seconds_to_read(swift, 2 * weights)
    assert bound(swift, 1, 100, 1024, 1024) == pytest.approx(99 * once + both)
    assert bound(swift, 1, 100, 1024, 1024, training=True) == pytest.approx(2 * (99 * once + both))
    half = 99 * seconds_to_read(swift, weights // 2) + once
    assert bound(swift, 1, 100, 1024, 1024, precision="bfloat16") == pytest.approx(half)
