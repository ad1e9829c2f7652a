"""A GRU that forecasts by segments, as a torch module."""

import torch
from torch import Tensor, nn

from penstock.folder import Folder
from penstock.model_folder.forecast import ForecastConfig, ForecastFiles, save_forecast_model
from penstock.nn.checks import check_shape
from penstock.nn.stack import Stack


class ForecastModel(nn.Module):
    """Patches → stack → segments, added to a linear forecast, to what known columns change, and to the season before.

    Before training it gives the naive forecast: output layers begin at zero. See ``ForecastConfig`` for the letters.

    Args:
        config: the sizes.
        about: what goes in and comes out; saved with the model. Its weights are of no account.
    """

    def __init__(self, config: ForecastConfig, about: ForecastFiles) -> None:
        super().__init__()
        self.config, self.about = config, about
        self.patch = nn.Linear(config.patch, config.stack.input_size)
        self.layers = Stack(config.stack)
        self.place = nn.Embedding(config.segments, config.stack.input_size)
        self.output = nn.Linear(config.stack.hidden_size, config.outputs)
        self.direct = nn.Linear(config.lookback, config.horizon)
        if config.read or config.static:
            self.around = nn.Linear(config.patch * config.read + config.static, config.stack.input_size, bias=False)
        if config.known:
            self.ahead = nn.Linear(2 * config.segment * config.known, config.stack.input_size, bias=False)
            self.effect = nn.Linear(2 * config.known, 1, bias=False)
            nn.init.zeros_(self.effect.weight)
        self.layers.reset_parameters()
        nn.init.normal_(self.place.weight, std=0.1)
        for layer in (self.output, self.direct):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, windows: Tensor, state: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The forecast from each window.

        Args:
            windows: (L, N, I) of W numbers as ``penstock.series.lookback`` gives them, and then of those beside, if
                there are any, as ``penstock.series.around`` does.
            state: (num_layers, N, H), returned as it came: each window begins anew; or None for zeros.
            resets: of no account likewise.

        Returns:
            quantiles (L, N, K, Q) in the windows' units, not in order where they cross; and the state.

        Raises:
            ValueError: a shape cannot work.
        """
        c = self.config
        check_shape("windows", windows, {"L": windows.shape[0], "N": windows.shape[-2], "I": c.inputs})
        L, N = windows.shape[:2]
        sizes = [c.lookback, c.lookback * c.read, c.static, c.horizon * c.known]
        flat, read, static, known = torch.split(windows.reshape(L * N, c.inputs), sizes, dim=1)
        steps = self.patch(flat.reshape(L * N, -1, c.patch))
        if c.read or c.static:
            of_patches = read.reshape(L * N, c.lookback // c.patch, c.patch * c.read)
            beside = [of_patches, static[:, None].expand(-1, c.lookback // c.patch, -1)]
            steps = steps + self.around(torch.cat([one for one in beside if one.shape[-1]], 2))
        _, after = self.layers(torch.relu(steps).transpose(0, 1).contiguous())
        places = self.place.weight[:, None].expand(-1, L * N, -1)
        again = c.lookback - c.repeats + torch.arange(c.horizon, device=flat.device) % c.repeats
        before = flat[:, again]
        if c.known:
            then = read.reshape(L * N, c.lookback, c.read)[:, again, : c.known]
            now = known.reshape(L * N, c.horizon, c.known)
            changes = torch.cat([now, now - then], 2)
            before = before + self.effect(changes)[..., 0]
            whole = nn.functional.pad(changes, (0, 0, 0, c.segments * c.segment - c.horizon))
            places = places + self.ahead(whole.reshape(L * N, c.segments, -1)).transpose(0, 1)
        places = places.reshape(1, c.segments * L * N, -1)
        top, _ = self.layers(places, after.repeat(1, c.segments, 1))
        added = self.output(top[0]).view(c.segments, L * N, c.segment, c.quantiles).transpose(0, 1)
        added = added.reshape(L * N, c.segments * c.segment, c.quantiles)[:, : c.horizon]
        found = added + (before + self.direct(flat))[..., None]
        return found.view(L, N, c.horizon, c.quantiles), self.layers.initial_state(N) if state is None else state

    def save_into(self, folder: Folder) -> None:
        """Writes the model's files into a folder that is held; weights as float32."""
        weights = {name: value.detach().float().cpu().numpy() for name, value in self.state_dict().items()}
        save_forecast_model(folder, self.about._replace(config=self.config, weights=weights))
