"""A GRU language model as a torch module, to train, to fine-tune or to build on."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from penstock.errors import PenstockError
from penstock.folder import Folder, held
from penstock.model_folder import ModelConfig, load_model, save_model
from penstock.nn.checks import check_shape
from penstock.nn.dropout import dropout
from penstock.nn.recurrent import GRU
from penstock.text.vocabulary import CharVocabulary, Vocabulary


class LanguageModel(nn.Module):
    """Embedding → GRU layers → output layer; dropout on the input, between layers and on the output.

    Args:
        config: the sizes.
        vocabulary: what the token ids mean; saved with the model.
    """

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        V, E, H = config.vocabulary_size, config.embedding_size, config.hidden_size
        self.embedding = nn.Embedding(V, E)
        self.layers = nn.ModuleList(GRU(H if k else E, H, reset=config.reset) for k in range(config.num_layers))
        self.output = nn.Linear(H, V)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights anew.

        Orthogonal recurrent matrices (Saxe et al. 2014, arXiv:1312.6120), and update gates that begin by keeping: their
        bias is 1, as Jozefowicz et al. 2015 found for the forget gate of an LSTM.
        """
        H = self.config.hidden_size
        nn.init.normal_(self.embedding.weight, std=H**-0.5 if self.config.tied else 0.5)
        if self.vocabulary.unknown is not None:
            nn.init.zeros_(self.embedding.weight[self.vocabulary.unknown].detach())
        for layer in self.layers:
            weights = dict(layer.named_parameters())
            for gate in weights["weight_hh_l0"].detach().view(3, H, H):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(weights["bias_hh_l0"])
            nn.init.zeros_(weights["bias_ih_l0"])
            nn.init.ones_(weights["bias_ih_l0"].detach()[H : 2 * H])
        self.output.reset_parameters()
        nn.init.zeros_(self.output.bias)
        if self.config.tied:
            self.output.weight = self.embedding.weight

    def forward(
        self, tokens: Tensor, state: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What is expected after each token.

        Args:
            tokens: (L, N) int64.
            state: (num_layers, N, H) that the call before returned, or None for zeros.
            resets: (L, N) bool: a document starts at step t, with the state cleared.

        Returns:
            logits (L, N, V) of the next token, and the state (num_layers, N, H).

        Raises:
            ValueError, TypeError: as ``penstock.GRU``.
        """
        if state is not None:
            batch = {"N": tokens.shape[1]} if tokens.dim() == 2 else {}
            check_shape("state", state, {"num_layers": len(self.layers), **batch, "H": self.config.hidden_size})
        x = self._drop(self.embedding(tokens))
        states = []
        for k, layer in enumerate(self.layers):
            h_0 = None if state is None else state[k : k + 1]
            output, h_n = layer(x, h_0, resets=resets)
            output = self._drop(output)
            x = x + output if k and self.config.residual else output
            states.append(h_n)
        return self.output(x), torch.cat(states)

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.dropout, self.training)

    def widened(self, vocabulary: Vocabulary) -> "LanguageModel":
        """The same model for another vocabulary of characters, to go on training with text that has new ones.

        What both vocabularies have keeps its rows. A new character's embedding is drawn anew; of what is expected, it
        begins as the least likely.

        Raises:
            PenstockError: a vocabulary of another kind, or other byte pairs: its ids mean something else.
        """
        old, new = self.vocabulary, vocabulary
        if old.saved() == new.saved():
            kept = torch.arange(len(old))
        elif isinstance(old, CharVocabulary) and isinstance(new, CharVocabulary):
            ids = {character: i for i, character in enumerate(old.characters)}
            kept = torch.tensor([ids.get(character, -1) for character in new.characters])
        else:
            raise PenstockError(
                f"vocabulary: expected {len(old):,} tokens ({old.kind}) as the model has, got {len(new):,} ({new.kind})"
            )
        model = LanguageModel(dataclasses.replace(self.config, vocabulary_size=len(new)), new)
        ours, is_new = self.state_dict(), kept < 0
        with torch.no_grad():
            for name, weight in model.state_dict().items():
                if name not in ("embedding.weight", "output.weight", "output.bias"):
                    weight.copy_(ours[name])
                    continue
                weight[~is_new] = ours[name][kept[~is_new]]
                if name == "output.bias":
                    weight[is_new] = ours[name].min()
                elif name == "output.weight" and not self.config.tied:
                    weight[is_new] = 0.0
        return model

    def save(self, folder: str | Path) -> None:
        """Writes the model folder, made if need be; weights as float32.

        Raises:
            PenstockError: the folder cannot be written, or holds files of these names that Penstock did not write; what
                was there before is unchanged.
        """
        with held(Path(folder), "model") as place:
            self.save_into(place)

    def save_into(self, folder: Folder) -> None:
        """As ``save``, into a folder that is held already."""
        save_model(folder, self.config, self.vocabulary, self.weights())

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """As the folder has them, in float32; those of a model on the CPU are its own memory."""
        state = self.state_dict()
        if self.config.tied:
            del state["output.weight"]
        return {name: value.detach().float().cpu().numpy() for name, value in state.items()}

    @classmethod
    def load(cls, folder: str | Path) -> "LanguageModel":
        """The model of a folder, in ``eval()``, on the CPU in float32.

        Raises:
            PenstockError: the folder holds no whole model.
        """
        config, vocabulary, weights = load_model(Path(folder))
        with torch.device("cpu"):
            model = cls(config, vocabulary).float()
        state = {name: torch.from_numpy(value) for name, value in weights.items()}
        if config.tied:
            state["output.weight"] = state["embedding.weight"]
        model.load_state_dict(state)
        return model.eval()
