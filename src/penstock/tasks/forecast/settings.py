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
    """

    horizon: int | None = None
    lookback: int | None = None
    season: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("horizon", "lookback", "season"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 2**20:
                raise PenstockError(f"{flag(name)}: expected 1 to {2**20 - 1:,} steps, got {value:,}")
