"""A GRU for series of numbers, or for texts, as a torch module: features, or embeddings of tokens → stack → output
layer."""

import torch
from torch import Tensor, nn

from penstock.folder import Folder
from penstock.model_folder.series import SeriesConfig, SeriesFiles, save_series_model
from penstock.nn.decay import Decay
from penstock.nn.stack import Stack


class SeriesModel(nn.Module):
    """Stack → output layer at each step.

    Args:
        config: the sizes.
        about: what goes in and comes out; saved with the model. Its weights are of no account.
    """

    def __init__(self, config: SeriesConfig, about: SeriesFiles) -> None:
        super().__init__()
        self.config, self.about = config, about
        self.embedding = None
        if config.vocabulary_size:
            self.embedding = nn.Embedding(config.vocabulary_size, config.stack.input_size)
            nn.init.normal_(self.embedding.weight, std=0.5)
            if about.vocabulary is not None and about.vocabulary.unknown is not None:
                nn.init.zeros_(self.embedding.weight[about.vocabulary.unknown].detach())
        self.layers = Stack(config.stack)
        self.output = nn.Linear(config.readout_size, config.outputs)
        self.decay = Decay(config.stack.num_layers, config.stack.hidden_size) if config.decay else None
        self.layers.reset_parameters()
        nn.init.zeros_(self.output.bias)

    def forward(
        self, features: Tensor, state: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What is answered at each step.

        Args:
            features: (L, N, D), of rows or of segments of them; with a decay their last, of a row, is the gap. Of
                texts, tokens (L, N) int64.
            state: (num_layers, N, H) that the call before returned, or None for zeros.
            resets: (L, N) bool: a series starts at step t, with the state cleared. Of segments each call is of whole
                series: none starts but at the first step.

        Returns:
            outputs (L, N, outputs), and the state (num_layers, N, H).

        Raises:
            ValueError, TypeError: as ``penstock.GRU``.
        """
        decay = None
        if self.embedding is not None:
            features = self.embedding(features)
        if self.decay is not None:
            decay = self.decay(torch.relu(torch.expm1(features[..., self.config.features - 1]) - 1))
        x, state = self.layers(features, state, resets, decay)
        if self.config.segment:
            count = torch.arange(1, len(x) + 1, device=x.device, dtype=x.dtype)[:, None, None]
            x = torch.cat([x, x.cumsum(0) / count], -1)
        return self.output(x), state

    def save_into(self, folder: Folder) -> None:
        """Writes the model's files into a folder that is held; weights as float32."""
        weights = {name: value.detach().float().cpu().numpy() for name, value in self.state_dict().items()}
        save_series_model(folder, self.about._replace(config=self.config, weights=weights))
