"""What models of series and of texts share without torch: a stack that reads, and an output layer that answers."""

import math

import numpy as np
from numpy.typing import NDArray

from penstock.model_folder import Weights
from penstock.model_folder.quantized import is_quantized
from penstock.model_folder.series import SeriesFiles
from penstock.runtime.layer import output_of_stack, stack_layers

Floats = NDArray[np.float32]


class AnswerRuntime:
    """The stack and the output layer. Letters: L steps, D input features, K layers, H hidden units."""

    def __init__(self, files: SeriesFiles) -> None:
        self.task, self.reads, self.answer, self.config = files.task, files.reads, files.answer, files.config
        self._files, self.quantized = files, is_quantized(files.weights)
        self._layers = stack_layers(files.weights, files.config.stack)
        self._output_layer = output_of_stack(files.weights, files.config.stack)

    def __reduce__(self) -> tuple[type, tuple[SeriesFiles]]:
        return type(self), (self._files,)

    @property
    def weights(self) -> Weights:
        """Of its folder, by their names there."""
        return self._files.weights

    def _decays(self, gap: float) -> Floats:
        """(K, H) what is left of each unit's state after a gap, log(1 + steps since the row before)."""
        over = np.float32(max(math.expm1(gap) - 1, 0.0))
        weight, bias = self._files.weights["decay.weight"], self._files.weights["decay.bias"]
        fading: Floats = np.exp(-np.maximum(over * weight + bias, np.float32(0)))
        return fading

    def _read(self, features: list[Floats]) -> list[Floats]:
        """Of what the stack reads of each, (L, D), side by side."""
        lengths = np.array([len(one) for one in features], np.int64)
        x = np.zeros((max(int(lengths.max(initial=0)), 1), len(features), self.config.stack.input_size), np.float32)
        for n, one in enumerate(features):
            x[: len(one), n] = one
        zeros = np.zeros((len(features), self.config.stack.hidden_size), np.float32)
        decay = None
        if self.config.decay:  # of each gap there is, once: by the same operation as for a row alone
            gaps, place = np.unique(x[..., self.config.features - 1], return_inverse=True)
            of_gap = np.stack([self._decays(gap) for gap in gaps.tolist()], axis=1)  # (K, gaps, H)
            decay = of_gap[:, place.reshape(x.shape[:2])]
        for k, run in enumerate(self._layers):
            h, _ = run(x, zeros, lengths=lengths, decay=None if decay is None else np.ascontiguousarray(decay[k]))
            x = x + h if k and self.config.stack.residual else h
        found = []
        for n, length in enumerate(lengths):
            top = np.ascontiguousarray(x[:length, n])
            if self.config.segment and length:
                total = np.add.accumulate(top, axis=0, dtype=np.float32)[-1:]
                found.append(self._pooled(top[-1:], total, int(length)))
            else:
                found.append(self._output_layer.logits(top))
        return found

    def _pooled(self, top: Floats, total: Floats, segments: int) -> Floats:
        """(1, outputs) from the last state (1, H) and the sum of so many."""
        return self._output_layer.logits(np.concatenate([top, total / np.float32(segments)], axis=1))

    def answers(self, outputs: Floats) -> NDArray[np.float64]:
        """Outputs (…, outputs) as probabilities of classes or labels, or as numbers of the columns' own size."""
        wide = outputs.astype(np.float64)
        if self.answer.kind == "class":
            odds = np.exp(wide - wide.max(-1, keepdims=True))
            return np.asarray(odds / odds.sum(-1, keepdims=True))
        if self.answer.kind == "labels":
            return np.asarray(1 / (1 + np.exp(-wide)))
        return np.asarray(wide * np.array(self.answer.spread) + np.array(self.answer.center))
