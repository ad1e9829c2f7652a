"""The torch module that forecasts: it begins as the naive forecast, and every window stands alone."""

import dataclasses

import pytest
import torch

from penstock.model_folder import StackConfig
from penstock.model_folder.forecast import ForecastAnswer, ForecastConfig, ForecastFiles
from penstock.nn.forecast_model import ForecastModel

CONFIG = ForecastConfig(lookback=12, horizon=7, patch=4, segment=3, repeats=4, stack=StackConfig(5, 6, 2), quantiles=9)


def made(config: ForecastConfig = CONFIG) -> ForecastModel:
    torch.manual_seed(0)
    about = ForecastFiles({}, ForecastAnswer(("v",), 4, (1.0,), (None,)), config, {})
    return ForecastModel(config, about).eval()


def drawn(model: ForecastModel) -> ForecastModel:
    """With no weight that is zero."""
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model


def test_it_begins_as_the_season_before() -> None:
    windows = torch.randn(2, 3, 12)
    quantiles, _ = made()(windows)
    assert quantiles.shape == (2, 3, 7, 9)
    for step in range(7):
        assert torch.equal(quantiles[..., step, :], windows[..., 8 + step % 4, None].expand(2, 3, 9))


def test_without_a_season_it_begins_as_the_last_value() -> None:
    windows = torch.randn(1, 3, 12)
    quantiles, _ = made(dataclasses.replace(CONFIG, repeats=1))(windows)
    assert torch.equal(quantiles, windows[..., -1, None, None].expand(1, 3, 7, 9))


def test_a_window_stands_alone_and_the_state_passes_untouched() -> None:
    model, windows = drawn(made()), torch.randn(2, 3, 12)
    state = torch.randn(2, 3, 6)
    together, after = model(windows, state)
    assert after is state
    for i in range(2):
        for n in range(3):
            alone, _ = model(windows[i, n][None, None])
            assert torch.allclose(together[i, n], alone[0, 0], atol=1e-6)


def test_every_weight_is_trained() -> None:
    model = drawn(made())
    quantiles, _ = model(torch.randn(2, 3, 12))
    quantiles.square().sum().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


def test_sizes_are_those_that_the_folder_expects() -> None:
    model = made()
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes == CONFIG.shapes()
    assert CONFIG.parameters() == sum(p.numel() for p in model.parameters() if p.dim() > 1)


def test_other_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="windows: expected"):
        made()(torch.randn(2, 3, 11))
