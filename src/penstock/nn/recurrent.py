"""The GRU as a torch module: the constructor and call of ``torch.nn.GRU``, and what it lacks."""

import math
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, overload

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from penstock.gates import Gates
from penstock.nn.checks import (
    alike,
    check_dtype,
    check_kind,
    check_resets,
    check_shape,
    checked_decay,
    checked_dropout,
    checked_flag,
    checked_lengths,
    checked_size,
    checked_state,
)
from penstock.nn.conversion import Target, converted
from penstock.nn.graphs import in_onnx, leaf
from penstock.nn.reset_form import ResetForm
from penstock.ops import Call, gru_layer
from penstock.ops.onnx_node import is_drawn, refuse

Input = Tensor | PackedSequence


class GRU(ResetForm):
    r"""Layers of gated recurrent units over a sequence.

    With N batch, L steps, D input features, H hidden units, K = num_layers × directions, and per layer and step

        r_t = σ(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)                    reset gate,  (N, H)
        z_t = σ(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)                    update gate, (N, H)
        n_t = tanh(W_in x_t + b_in + W_hn (r_t ⊙ h_{t-1}) + b_hn)         candidate, reset="before"
        n_t = tanh(W_in x_t + b_in + r_t ⊙ (W_hn h_{t-1} + b_hn))         candidate, reset="after"
        h_t = z_t ⊙ h_{t-1} + (1 − z_t) ⊙ n_t                             hidden state

    Parameters have the names, shapes and gate order (rows r, z, n) of ``torch.nn.GRU``: ``weight_ih_l0`` (3H, D),
    ``weight_hh_l0`` (3H, H), ``bias_ih_l0`` and ``bias_hh_l0`` (3H,), ``…_l1`` and so on, ``…_reverse`` for the other
    direction. The state also holds ``reset_after``, the mark of its form.

    Args:
        input_size: D.
        hidden_size: H.
        num_layers: layers, each reading the outputs of the one below.
        bias: whether b_ih and b_hh exist.
        batch_first: input, output, resets, decay and gates have N before L. ``hx`` and ``h_n`` do not.
        dropout: probability, in training, of dropping an output of each layer but the last.
        bidirectional: also reads from the end; outputs are then (…, 2H).
        reset: ``"before"`` (Cho et al. 2014, arXiv:1406.1078v3, section 2.3: the textbook's) or ``"after"`` (cuDNN,
            ``torch.nn.GRU``). They are different functions; weights of one are no use to the other.
        recompute: keep no gates for backward, which then computes them again: a fifth ("before": a quarter) of the
            memory for up to a third more time, in the compiled core. Elsewhere it changes nothing.
        proj_size: 0, as ``torch.nn.GRU`` has it: projections are an LSTM's.
        device: of the parameters.
        dtype: of the parameters; float32, float64 or bfloat16.

    Raises:
        ValueError, TypeError: an argument cannot work.

    For ``isinstance`` a module of ``reset="after"`` is a ``torch.nn.GRU`` too, so that initialisers and the like find
    it; one of ``reset="before"`` is none: what replaces or reads it as ``torch.nn.GRU`` would compute another function.
    """

    torchs = nn.GRU
    mode = "GRU"
    """As in ``torch.nn.GRU``."""
    __jit_unused_properties__: ClassVar[list[str]] = ["all_weights", "_flat_weights", "_flat_weights_names"]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        reset: str = "before",
        recompute: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(reset, device)
        check_dtype(dtype)
        self.input_size = checked_size("input_size", input_size)
        self.hidden_size = checked_size("hidden_size", hidden_size)
        self.num_layers = checked_size("num_layers", num_layers)
        self.bias, self.batch_first = checked_flag("bias", bias), checked_flag("batch_first", batch_first)
        self.dropout = checked_dropout(dropout)
        self.bidirectional = checked_flag("bidirectional", bidirectional)
        self.recompute = checked_flag("recompute", recompute)
        self.proj_size = checked_size("proj_size", proj_size, least=0)
        if self.proj_size:
            raise ValueError(f"proj_size: expected 0, got {self.proj_size}: projections are an LSTM's")
        if self.dropout and self.num_layers == 1:
            warnings.warn("dropout acts between layers: with num_layers=1 it does nothing", UserWarning, stacklevel=2)
        self._all_weights = []
        rows = 3 * self.hidden_size
        for layer in range(self.num_layers):
            columns = self.hidden_size * self._directions if layer else self.input_size
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, self.hidden_size)}
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if self.bias else {}
            for reverse in ("", "_reverse")[: self._directions]:
                named = {f"{name}_l{layer}{reverse}": shape for name, shape in shapes.items()}
                for name, shape in named.items():
                    self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(list(named))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """Of each layer and direction: weight_ih, weight_hh and, if there are any, bias_ih and bias_hh."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [weight for weights in self.all_weights for weight in weights]

    @_flat_weights.setter
    def _flat_weights(self, weights: Sequence[Tensor]) -> None:
        for name, weight in zip(self._flat_weights_names, weights, strict=True):
            if weight is not getattr(self, name):
                setattr(self, name, weight)

    def flatten_parameters(self) -> None:
        """Does nothing: there is no other order that the weights would have to be brought into."""

    def reset_parameters(self) -> None:
        """Draws every parameter from U(−1/√H, 1/√H), as ``torch.nn.GRU`` does."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @overload
    def forward(
        self,
        input: Tensor,
        hx: Tensor | None = ...,
        *,
        lengths: Tensor | Sequence[int] | None = ...,
        resets: Tensor | None = ...,
        decay: Tensor | None = ...,
        return_gates: Literal[False] = ...,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def forward(
        self,
        input: Tensor,
        hx: Tensor | None = ...,
        *,
        lengths: Tensor | Sequence[int] | None = ...,
        resets: Tensor | None = ...,
        decay: Tensor | None = ...,
        return_gates: Literal[True],
    ) -> tuple[Tensor, Tensor, Gates]: ...
    @overload
    def forward(
        self,
        input: PackedSequence,
        hx: Tensor | None = ...,
        *,
        resets: Tensor | None = ...,
        decay: Tensor | None = ...,
        return_gates: Literal[False] = ...,
    ) -> tuple[PackedSequence, Tensor]: ...
    @overload
    def forward(
        self,
        input: PackedSequence,
        hx: Tensor | None = ...,
        *,
        resets: Tensor | None = ...,
        decay: Tensor | None = ...,
        return_gates: Literal[True],
    ) -> tuple[PackedSequence, Tensor, Gates]: ...
    def forward(
        self,
        input: Input,
        hx: Tensor | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        resets: Tensor | None = None,
        decay: Tensor | None = None,
        return_gates: bool = False,
    ) -> tuple[Input, Tensor] | tuple[Input, Tensor, Gates]:
        """Runs all layers over the input.

        Args:
            input: x, (L, N, D), with ``batch_first`` (N, L, D), unbatched (L, D), or a ``PackedSequence``. L and N may
                be 0.
            hx: h_0, (K, N, H), unbatched (K, H); None for zeros.
            lengths: (N,) integers in 0 … L, any order, any device: how many steps each sequence has. A packed
                sequence brings its own. Checking their values synchronises with a CUDA device; ``torch.func`` calls
                leave it out.
            resets: bool, (L, N), with ``batch_first`` (N, L), unbatched (L,): step t starts an episode; the state is
                cleared before both the gates and z ⊙ h. The reverse direction enters an episode at its last step, so
                that no direction hears another episode.
            decay: γ in [0, 1], which is not checked: (L, N, H), or (L, N, 1) for all units alike, with ``batch_first``
                (N, L, ·), unbatched (L, ·), differentiable. The state that enters step t is γ_t ⊙ h_{t-1}, in every
                layer; in the reverse direction what passes from step t+1 to t is multiplied by γ_{t+1}. A reset is
                γ = 0; GRU-D's fading over a time gap δ is γ = exp(−max(0, W δ + b)) (Che et al. 2018,
                arXiv:1606.01865).
            return_gates: also return what the gates decided, differentiable.

        Returns:
            output: (L, N, directions × H) in the input's layout, zero past each sequence's end; packed if it is.
            h_n: (K, N, H), unbatched (K, H): each sequence's state after its own last step.
            gates: with ``return_gates``, ``Gates`` whose fields are (K, L, N, H) in the input's layout.
            Of a packed input, resets are (L, N), decay (L, N, ·) and gates (K, L, N, H), padded, also with
            ``batch_first``. Outputs, states and gates have the type of the parameters, also under autocast, where
            products are lowered.

        Raises:
            ValueError: a shape, a device or a length cannot work.
            TypeError: a type cannot work.
            RuntimeError: weights of the other form were put here; see also ``penstock.packed``.
        """
        packed = None
        if not isinstance(input, Tensor):
            if isinstance(input, torch.fx.Proxy):
                options = {"lengths": lengths, "resets": resets, "decay": decay, "return_gates": return_gates}
                return leaf(self, input, hx, **options)
            packed = input
            input, lengths = _unpacked(input, lengths)
        handles = self._enter()
        weights = [self._weights(names) for names in self._all_weights]
        K, H, shape, weight = len(weights), self.hidden_size, input.shape, weights[0][0]
        letters = UNBATCHED if len(shape) == 2 else BATCH_FIRST if self.batch_first and packed is None else STEPS_FIRST
        if len(shape) != len(letters) + 1 or shape[-1] != self.input_size or not alike(input, weight):
            check_shape("input", input, {**dict.fromkeys(letters), "D": self.input_size})
            check_kind("input", input, weight)
        x = _steps_first(input, letters)
        L, N, _ = x.shape
        if hx is None:
            h_0 = weight.new_zeros(N, H)  # of all layers
        else:
            if letters is UNBATCHED:
                hx = checked_state("hx", hx, "KH", (K, H), weight)[:, None]
            else:
                hx = checked_state("hx", hx, "KNH", (K, N, H), weight)
        if lengths is not None:
            if letters is UNBATCHED:
                raise ValueError("lengths: an unbatched input (L, D) has one length: shorten it instead")
            lengths = checked_lengths(lengths, L, N, x.device)
        if resets is not None:
            check_resets(resets, letters, shape[:-1], x.device)
            resets = _steps_first(resets, letters)
        if decay is not None:
            decay = _steps_first(checked_decay(decay, letters, shape[:-1], H, weight), letters)
        if torch.compiler.is_compiling() and is_drawn():
            refuse(resets=resets is not None, decay=decay is not None, return_gates=return_gates)
            output, h_n = in_onnx(self, x, hx, weights, lengths)
            return _in_layout(output, letters), h_n.squeeze(1) if letters is UNBATCHED else h_n

        output = x
        states: list[Tensor] = []
        gates: list[tuple[Tensor, Tensor, Tensor] | None] = []
        for layer in range(self.num_layers):
            if layer:
                output = nn.functional.dropout(output, self.dropout, self.training)
            of_directions = []
            for reverse in (False, True) if self.bidirectional else (False,):
                k = len(states)
                if hx is not None:
                    h_0 = hx.squeeze(0) if K == 1 else hx[k]  # whose derivative writes zeros beside it
                flags = (reverse, return_gates, self.recompute, handles and handles[k])
                result = gru_layer(Call(output, h_0, *weights[k], self.reset, lengths, resets, decay, *flags))
                of_directions.append(result.output)
                states.append(result.h_n)
                gates.append(result.gates)
            output = torch.cat(of_directions, dim=-1) if self.bidirectional else of_directions[0]
        h_n = states[0].unsqueeze(0) if K == 1 and states[0] is not h_0 else torch.stack(states)

        out = _in_layout(output, letters) if packed is None else _packed_like(packed, output)
        h_n = h_n.squeeze(1) if letters is UNBATCHED else h_n
        if not return_gates:
            return out, h_n
        return out, h_n, Gates(*(_in_layout(torch.stack(field), letters) for field in zip(*gates, strict=True)))

    @classmethod
    def from_torch(cls, module: nn.GRU) -> "GRU":
        """The same function as a ``torch.nn.GRU``: a copy of its weights, with ``reset="after"``.

        Normed, parametrized and pruned weights become plain ones of the values that they have now.
        """
        if not isinstance(module, nn.GRU):
            raise TypeError(f"module: expected a torch.nn.GRU, got {module!r}")
        return _converted(module, cls, reset="after")

    def to_torch(self) -> nn.GRU:
        """The same function as a ``torch.nn.GRU``, on a copy of the weights, as ``from_torch`` makes it.

        Raises:
            ValueError: this is ``reset="before"``, which ``torch.nn.GRU`` does not compute and no weights make it.
        """
        self._refuse_torch()
        return _converted(self, nn.GRU)

    def extra_repr(self) -> str:
        """The constructor's arguments that are not defaults."""
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        given = [f"{k}={getattr(self, k)}" for k, default in defaults.items() if getattr(self, k) != default]
        return ", ".join([str(self.input_size), str(self.hidden_size), *given, f"reset={self.reset!r}"])


UNBATCHED, STEPS_FIRST, BATCH_FIRST = ("L",), ("L", "N"), ("N", "L")
"""The axes of an input before its features."""


def _steps_first(value: Tensor, letters: tuple[str, ...]) -> Tensor:
    """From the input's layout to (L, N, …)."""
    return value if letters is STEPS_FIRST else value[:, None] if letters is UNBATCHED else value.transpose(0, 1)


def _in_layout(value: Tensor, letters: tuple[str, ...]) -> Tensor:
    """From (…, L, N, H) to the input's layout."""
    return value if letters is STEPS_FIRST else value.squeeze(-2) if letters is UNBATCHED else value.transpose(-3, -2)


def _converted(module: Any, cls: type[Target], **options: Any) -> Target:
    """A GRU of ``cls`` with the arguments and weights of another."""
    names = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional")
    arguments = {name: getattr(module, name) for name in names} | options
    found = converted(module, module._flat_weights_names, cls, **arguments)
    found.dropout = module.dropout  # now: the constructor would warn where it does nothing
    return found


def _unpacked(packed: Any, lengths: Any) -> tuple[Tensor, Tensor]:
    """x (L, N, D) and lengths (N,) of a packed sequence."""
    if not isinstance(packed, PackedSequence):
        raise TypeError(f"input: expected a torch.Tensor, got {type(packed).__name__}")
    if lengths is not None:
        raise ValueError("lengths: a PackedSequence brings its own, got another")
    return pad_packed_sequence(packed)


def _packed_like(packed: PackedSequence, output: Tensor) -> PackedSequence:
    """output (L, N, H) in the very order of ``packed``."""
    if packed.sorted_indices is not None:
        output = output.index_select(1, packed.sorted_indices)
    _, lengths = pad_packed_sequence(PackedSequence(packed.data, packed.batch_sizes))
    data = pack_padded_sequence(output, lengths).data
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
