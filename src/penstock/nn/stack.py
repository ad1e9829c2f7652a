"""The recurrent layers of a model, written once for every task."""

import torch
from torch import Tensor, nn

from penstock.model_folder import StackConfig
from penstock.nn.checks import check_shape
from penstock.nn.dropout import dropout
from penstock.nn.recurrent import GRU


class Stack(nn.ModuleList):
    """GRU layers, one on the other; dropout on the input, between layers and on the output.

    Letters: L steps, N batch, D input features, H hidden units, K layers.
    """

    def __init__(self, config: StackConfig) -> None:
        D, H = config.input_size, config.hidden_size
        super().__init__(GRU(H if k else D, H, reset=config.reset) for k in range(config.num_layers))
        self.config = config

    def reset_parameters(self) -> None:
        """Draws the weights anew.

        Orthogonal recurrent matrices (Saxe et al. 2014, arXiv:1312.6120), and update gates that begin by keeping: their
        bias is 1, as Jozefowicz et al. 2015 found for the forget gate of an LSTM.
        """
        H = self.config.hidden_size
        for layer in self:
            weights = dict(layer.named_parameters())
            for gate in weights["weight_hh_l0"].detach().view(3, H, H):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(weights["bias_hh_l0"])
            nn.init.zeros_(weights["bias_ih_l0"])
            nn.init.ones_(weights["bias_ih_l0"].detach()[H : 2 * H])

    def initial_state(self, N: int) -> Tensor:
        """Zeros (K, N, H), where the weights are."""
        device = next(self.parameters()).device
        return torch.zeros(self.config.num_layers, N, self.config.hidden_size, device=device)

    def forward(
        self, x: Tensor, state: Tensor | None = None, resets: Tensor | None = None, decay: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The top layer's output (L, N, H), and the state (K, N, H) after it.

        Args:
            x: (L, N, D).
            state: (K, N, H) that the call before returned, or None for zeros.
            resets: (L, N) bool: step t starts anew, with the state cleared.
            decay: (K, L, N, H) in [0, 1]: what is left of each layer's state before step t.

        Raises:
            ValueError, TypeError: as ``penstock.GRU``.
        """
        if state is not None:
            batch = {"N": x.shape[1]} if x.dim() == 3 else {}
            check_shape("state", state, {"num_layers": len(self), **batch, "H": self.config.hidden_size})
        x = self._drop(x)
        states = []
        for k, layer in enumerate(self):
            h_0 = None if state is None else state[k : k + 1]
            output, h_n = layer(x, h_0, resets=resets, decay=None if decay is None else decay[k])
            output = self._drop(output)
            x = x + output if k and self.config.residual else output
            states.append(h_n)
        return x, torch.cat(states)

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.dropout, self.training)
