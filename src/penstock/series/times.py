"""Times as text: dates in the usual ways of writing, in one time zone or in none."""

import datetime
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError

if TYPE_CHECKING:
    import polars

DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d-%m-%Y", "%d/%m/%Y", "%m/%d/%Y")
PLAIN = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S%.f", "%I:%M %p", "%I:%M:%S %p")
DATE = re.compile(
    r"\s*(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})"
    r"([T ]\d{1,2}:\d{2}(:\d{2}([.]\d+)?)?\s*([AaPp][Mm])?\s*(Z|UTC|[+-]\d{2}:?\d{2})?)?\s*"
)
"""What looks like a time."""
MONTH = re.compile(r"\d{4}[-/.]\d{1,2}")
ZONE = r":\d{2}(?:\.\d+)?\s*(Z|UTC|[+-]\d{2}:?\d{2})$"


def looks_like_a_time(cell: str) -> bool:
    """Whether a cell is written as a time."""
    return DATE.fullmatch(cell) is not None and not re.fullmatch(r"\d{4}[.]\d{1,2}", cell.strip())


def parsed(cells: "polars.Series", where: str, dates: Sequence[str] = DATES) -> tuple[NDArray[np.int64], str | None]:
    """Microseconds since 1970, in UTC where a zone is written, and that zone.

    Args:
        cells: text or dates, (rows,).
        where: the file, for errors, which count rows from 1.
        dates: ways in which they may be written.

    Raises:
        PenstockError: a cell is missing or no time, zones differ, or day and month cannot be told apart.
    """
    import polars as pl

    column = cells.name
    if not isinstance(cells.dtype, pl.String):
        zone = getattr(cells.dtype, "time_zone", None)
        found = cells.cast(pl.Datetime("us", zone))
        return _whole(found, cells, where), zone
    for way in PLAIN:  # most tables, whose cells need no second look
        if cells.head(1).str.to_datetime(way, strict=False).null_count() == 0:
            found = cells.str.to_datetime(way, strict=False, time_unit="us", cache=False)  # which costs more here
            if found.null_count() == 0:
                return found.to_physical().to_numpy(), None
    text = cells.str.strip_chars()
    zones = text.str.extract(ZONE)
    known = zones.fill_null("")
    if known.n_unique() > 1:
        row = int((known != known[0]).arg_max() or 0)
        raise PenstockError(
            f"{where}: row {row + 1}, column {column!r}: mixed time zones, {known[row] or 'none'} after "
            f"{known[0] or 'none'}; write all times in one, such as UTC"
        )
    zone = known[0] or None if len(known) else None
    if zone is not None:
        text = text.str.replace(r"\s*(Z|UTC|[+-]\d{2}:?\d{2})$", "")
    text = text.str.replace("T", " ", literal=True)
    first = text.drop_nulls()[0] if text.null_count() < len(text) else ""
    if MONTH.fullmatch(first):
        text = text + first[4] + "01"
    if ":" not in first or not text.str.contains(":", literal=True).all():
        clockless = ~text.str.contains(":", literal=True)
        text = (text + " 00:00").zip_with(clockless, text)  # midnight may be written as its day alone
    found = _best(text, cells, where, dates)
    micros = _whole(found, cells, where)
    return micros - _offset(zone) * 1_000_000, zone


def day_or_month_first(columns: "Iterable[polars.Series]") -> tuple[str, ...]:
    """The ways in which dates may be written, told from all the cells of a column, which come in parts: 13/01/2024 says
    that days come first."""
    most = [0, 0]
    for cells in columns:
        for k, number in enumerate((r"^\s*(\d{1,2})/\d{1,2}/\d{4}", r"^\s*\d{1,2}/(\d{1,2})/\d{4}")):
            most[k] = max(most[k], *cells.str.extract(number).cast(int).drop_nulls().top_k(1).to_list(), 0)
    days, months = DATES[-2:]
    if most[0] > 12 >= most[1]:
        return tuple(date for date in DATES if date != months)
    return tuple(date for date in DATES if date != days) if most[1] > 12 >= most[0] else DATES


def moment(cell: str, where: str) -> int:
    """One time, as ``parsed`` reads it: of ISO 8601 without Polars, since rows of a stream come one by one.

    Raises:
        PenstockError: it is none, or day and month cannot be told apart.
    """
    if not looks_like_a_time(cell):
        raise PenstockError(f"{where}: {cell!r:.40} is no time that can be read; write it as 2024-01-31 12:00:00")
    utc = datetime.timezone.utc
    try:
        time = datetime.datetime.fromisoformat(cell.strip().replace("Z", "+00:00"))
    except ValueError:
        import polars as pl

        return int(parsed(pl.Series("time", [cell]), where)[0][0])
    since = time.replace(tzinfo=time.tzinfo or utc) - datetime.datetime(1970, 1, 1, tzinfo=utc)
    return since // datetime.timedelta(microseconds=1)


def _best(text: "polars.Series", cells: "polars.Series", where: str, dates: Sequence[str]) -> "polars.Series":
    """By the way of writing that reads the most cells."""
    import polars as pl

    sample = text.drop_nulls().head(1000)
    read = {
        (date, clock): len(sample) - sample.str.to_datetime(f"{date} {clock}", strict=False).null_count()
        for date in dates
        for clock in CLOCKS
    }
    most = max(read.values(), default=0)
    if not most:
        return pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("us"))
    best = {date: clock for (date, clock), count in reversed(read.items()) if count == most}  # of each the first clock
    found = [_by(text, date, best[date]) for date in dates if date in best]
    nulls = [series.null_count() for series in found]
    if len(found) > 1 and nulls[0] == nulls[1] and not found[0].equals(found[1]):
        raise PenstockError(
            f"{where}: row 1, column {cells.name!r}: {cells[0]!r} may be day or month first; write year-month-day"
        )
    return found[int(np.argmin(nulls))]


def _by(text: "polars.Series", date: str, clock: str) -> "polars.Series":
    """By one way of writing dates; where some cells are without the seconds of others, by any clock."""
    found = text.str.to_datetime(f"{date} {clock}", strict=False, time_unit="us")
    for other in CLOCKS:
        if found.null_count() == text.null_count():
            break
        if other != clock:
            by_other = text.str.to_datetime(f"{date} {other}", strict=False, time_unit="us")
            found = by_other.zip_with(found.is_null(), found)
    return found


def _whole(found: "polars.Series", cells: "polars.Series", where: str) -> NDArray[np.int64]:
    if found.null_count():
        row = int(found.is_null().arg_max() or 0)
        what = "is missing" if cells[row] is None else f"{str(cells[row])!r:.40} is no time that can be read"
        hint = "" if cells[row] is None else "; write it as 2024-01-31 12:00:00"
        raise PenstockError(f"{where}: row {row + 1}, column {cells.name!r}: {what}{hint}")
    micros: NDArray[np.int64] = found.to_physical().to_numpy()
    return micros


def _offset(zone: str | None) -> int:
    """Seconds east of UTC."""
    if zone is None or zone in ("Z", "UTC"):
        return 0
    digits = zone[1:].replace(":", "")
    return (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


def said(time: Any, dated: bool) -> str:
    """A time in words, as short as it is exact."""
    if not dated:
        return f"{float(time):g}"
    text = str(np.datetime64(int(time), "us")).replace("T", " ")
    for tail in (".000000", ":00", " 00:00"):
        text = text.removesuffix(tail)
    return text
