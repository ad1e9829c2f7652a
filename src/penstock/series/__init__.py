"""Series of numbers: read from tables, arrays and sound, described, scaled, split, and turned into inputs. No torch.

Importing this is light: packages that only some files need are imported when one is read.
"""

from penstock.series.account import account, constant_columns, description, expect_targets, missing_cells
from penstock.series.described import RowReader, StreamRow, columns_of, matched, read_as_described
from penstock.series.features import FeatureColumn, Features, FeatureStream
from penstock.series.labels import labelled
from penstock.series.learn_features import learn_features
from penstock.series.read import read_series, together
from penstock.series.roles import Roles
from penstock.series.scaling import Scaling, SeriesScaling, learn_scaling, learn_series_scaling
from penstock.series.season import Season, find_season
from penstock.series.series_set import Column, Keys, One, SeriesSet, Unused, long_enough
from penstock.series.sound import as_log_mel, log_mel
from penstock.series.spacing import Spacing, spacing
from penstock.series.split import (
    Split,
    all_train,
    by_column,
    by_id,
    by_source,
    by_time,
    continued,
    rows_of,
    split_line,
    taken_up,
)
from penstock.series.windows import windows

__all__ = [
    "Column",
    "FeatureColumn",
    "FeatureStream",
    "Features",
    "Keys",
    "One",
    "Roles",
    "RowReader",
    "Scaling",
    "Season",
    "SeriesScaling",
    "SeriesSet",
    "Spacing",
    "Split",
    "StreamRow",
    "Unused",
    "account",
    "all_train",
    "as_log_mel",
    "by_column",
    "by_id",
    "by_source",
    "by_time",
    "columns_of",
    "constant_columns",
    "continued",
    "description",
    "expect_targets",
    "find_season",
    "labelled",
    "learn_features",
    "learn_scaling",
    "learn_series_scaling",
    "log_mel",
    "long_enough",
    "matched",
    "missing_cells",
    "read_as_described",
    "read_series",
    "rows_of",
    "spacing",
    "split_line",
    "taken_up",
    "together",
    "windows",
]
