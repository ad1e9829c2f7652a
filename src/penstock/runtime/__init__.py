"""A trained model without torch: load, step, score, generate, predict."""

from pathlib import Path
from typing import Any

from penstock.model_folder.content import read_config
from penstock.model_folder.language import TASK
from penstock.runtime.model import Model, Reading, load_language
from penstock.runtime.score import Score

__all__ = ["Model", "Reading", "Score", "load", "load_language"]


def load(folder: str | Path) -> Any:
    """The model of a folder that ``penstock train`` made: a ``Model`` of language, a ``SeriesRuntime``, of texts
    a ``TextRuntime``, or of forecasts a ``ForecastRuntime``; of one that ``penstock import`` made a ``StatesRuntime``.

    Raises:
        PenstockError: the folder holds no whole model.
    """
    task = read_config(Path(folder))["task"]
    if task == TASK:
        return load_language(folder)
    if task == "forecast":
        from penstock.runtime.forecast_model import load_forecast

        return load_forecast(folder)
    if task == "states":
        from penstock.runtime.states_model import load_states

        return load_states(folder)
    if task == "text":
        from penstock.runtime.text_model import load_text

        return load_text(folder)
    from penstock.runtime.series_model import load_series

    return load_series(folder)
