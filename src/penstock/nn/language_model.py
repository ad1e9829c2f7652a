"""A GRU language model as a torch module, to train, to fine-tune or to build on."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from penstock.errors import PenstockError
from penstock.folder import Folder, held
from penstock.model_folder import LanguageConfig, load_model, save_model
from penstock.nn.stack import Stack
from penstock.text.vocabulary import CharVocabulary, Vocabulary


class LanguageModel(nn.Module):
    """Embedding → stack of GRU layers → output layer.

    Args:
        config: the sizes.
        vocabulary: what the token ids mean; saved with the model.
    """

    def __init__(self, config: LanguageConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        V, E, H = config.vocabulary_size, config.stack.input_size, config.stack.hidden_size
        self.embedding = nn.Embedding(V, E)
        self.layers = Stack(config.stack)
        self.output = nn.Linear(H, V)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights anew."""
        H = self.config.stack.hidden_size
        nn.init.normal_(self.embedding.weight, std=H**-0.5 if self.config.tied else 0.5)
        if self.vocabulary.unknown is not None:
            nn.init.zeros_(self.embedding.weight[self.vocabulary.unknown].detach())
        self.layers.reset_parameters()
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
        x, state = self.layers(self.embedding(tokens), state, resets)
        return self.output(x), state

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
