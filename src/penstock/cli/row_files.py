"""Files of rows that a verb writes: CSV, lines of JSON or Parquet, by their names."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError
from penstock.files import MADE, expect_place_for, replacing

ENDINGS = (".csv", ".jsonl", ".parquet")


def expect_row_file(path: Path, flag: str) -> None:
    """Checks that rows can be written there, before work begins.

    Raises:
        PenstockError: its name ends in none of ``ENDINGS``, or there is no place for it.
    """
    if path.suffix not in ENDINGS:
        raise PenstockError(f"{flag}: expected a name that ends in {', '.join(ENDINGS)}, got {path}")
    expect_place_for(path)


def evened(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the names of all of them; None where one had none."""
    known = [*rows]
    names = dict.fromkeys(name for row in known for name in row)
    return [{name: row.get(name) for name in names} for row in known]


def write_rows(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Writes rows of the same names, whole or not at all.

    Raises:
        PenstockError: the file cannot be written; what was there before is unchanged.
    """
    from penstock.runtime.answers import as_lines

    with replacing(path) as file:
        if path.suffix == ".parquet":
            from penstock.series.packages import package

            table: Any = package("polars", str(path)).DataFrame(list(rows), infer_schema_length=None)
            table.write_parquet(file, metadata={"creator": MADE})
        else:
            file.writelines(line.encode() for line in as_lines(rows, path.suffix))
