"""What tasks on series choose for a run."""

from types import SimpleNamespace

import pytest

from penstock.tasks import task


@pytest.mark.parametrize(
    ("name", "rows", "streams"),
    [
        ("steps", 1_000, 8),  # few: many small steps of optimisation in a pass
        ("steps", 24 * 64 * 10, 10),
        ("steps", 1_000_000, None),  # many: as many as usual
        ("sequence", 1_000, None),  # whole series side by side
        ("forecast", 1_000, None),
    ],
)
def test_few_rows_are_read_in_fewer_streams(name: str, rows: int, streams: int | None) -> None:
    assert task(name)._streams(SimpleNamespace(training=rows), 64) == streams
