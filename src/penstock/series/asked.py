"""New files for a model that was trained: read as its training data were, sound as frames of its spectrum."""

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import PenstockError
from penstock.series.described import columns_of, matched, read_as_described
from penstock.series.prepared import series_folder
from penstock.series.read import read_series
from penstock.series.roles import Roles
from penstock.series.series_set import SeriesSet
from penstock.series.sound import as_log_mel


def read_heard(names: Sequence[str], roles: Roles, pattern: str | None) -> SeriesSet:
    """The series of files; of sound, frames of its spectrum.

    Raises:
        PenstockError: see ``read_series``.
    """
    series = read_series(names, roles, pattern)
    return series if series.rate is None or series_folder(names) else as_log_mel(series)  # prepared, it is frames


def read_asked(names: Sequence[str], reads: Mapping[str, Any]) -> SeriesSet:
    """The series of files with the columns that a model's ``reads`` says, in its order and with its codes.

    Raises:
        PenstockError: see ``read_as_described``; or sound has another rate than in training.
    """
    if reads["rate"] is None:
        return read_as_described(names, reads)
    series = read_heard(names, Roles(), reads["pattern"])
    if series.rate != reads["rate"]:
        raise PenstockError(
            f"{series.name}: expected {reads['rate']} samples a second, as in training, got {series.rate}"
        )
    return matched(series, columns_of(reads))
