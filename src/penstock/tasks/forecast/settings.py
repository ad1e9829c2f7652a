"""What a person may say about forecasts."""

import dataclasses

from penstock.errors import PenstockError
from penstock.tasks.series_settings import SeriesSettings
from penstock.train.settings import flag


@dataclasses.dataclass(frozen=True)
class ForecastSettings(SeriesSettings):
    """Settings of forecasts; the command line has the same names.

    Attributes:
        horizon: Steps ahead to forecast. Required.
        lookback: Steps that a forecast reads; chosen from the season, the horizon and the lengths of the series.
        season: Steps after which the series repeat themselves, 1 if they do not; found unless you say.
        segment: Steps that are read and forecast at once; 1 is step by step. Of a season, or a part of one, and of 1
            the better on held-out rows after a short time, unless you say.
        others: The columns beside a named target that --features does not name are read too; tried, unless you say.
        calendar: Time of the day, of the week and of the year are read too, of dated series.
    """

    horizon: int | None = None
    lookback: int | None = None
    season: int | None = None
    segment: int | None = None
    others: bool | None = None
    calendar: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("horizon", "lookback", "season", "segment"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 2**20:
                raise PenstockError(f"{flag(name)}: expected 1 to {2**20 - 1:,} steps, got {value:,}")
