"""The GRU as a torch module: the constructor and call of ``torch.nn.GRU``, and what it lacks."""

import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from penstock.gates import Gates
from penstock.nn.checks import check_kind, check_resets, check_shape, check_sizes, checked_lengths
from penstock.nn.reset_form import ResetForm
from penstock.ops import Call, gru_layer

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
        batch_first: x, output, resets and gates have N before L. ``h_0`` and ``h_n`` do not.
        dropout: probability, in training, of dropping an output of each layer but the last.
        bidirectional: also reads from the end; outputs are then (…, 2H).
        reset: ``"before"`` (Cho et al. 2014, arXiv:1406.1078v3, section 2.3: the textbook's) or ``"after"`` (cuDNN,
            ``torch.nn.GRU``). They are different functions; weights of one are no use to the other.
        recompute: keep no gates for backward, which then computes them again: a fifth ("before": a quarter) of the
            memory for up to a third more time, in the compiled core. Elsewhere it changes nothing.
        device: of the parameters.
        dtype: of the parameters; float32, float64 or bfloat16.
    """

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
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(reset)
        check_sizes(dtype, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if not (isinstance(dropout, int | float) and 0 <= dropout <= 1):
            raise ValueError(f"dropout: expected a probability in 0 … 1, got {dropout!r}")
        if dropout and num_layers == 1:
            warnings.warn("dropout acts between layers: with num_layers=1 it does nothing", UserWarning, stacklevel=2)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.recompute = bidirectional, recompute
        rows = 3 * hidden_size
        for layer in range(num_layers):
            columns = input_size if layer == 0 else hidden_size * self._directions
            for suffix in self._suffixes(layer):
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, hidden_size)}
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
                for name, shape in shapes.items():
                    parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                    self.register_parameter(name + suffix, parameter)
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: self._directions]

    def reset_parameters(self) -> None:
        """Draws every parameter from U(−1/√H, 1/√H), as ``torch.nn.GRU`` does."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @overload
    def forward(
        self,
        x: Tensor,
        h_0: Tensor | None = ...,
        *,
        lengths: Tensor | Sequence[int] | None = ...,
        resets: Tensor | None = ...,
        return_gates: Literal[False] = ...,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def forward(
        self,
        x: Tensor,
        h_0: Tensor | None = ...,
        *,
        lengths: Tensor | Sequence[int] | None = ...,
        resets: Tensor | None = ...,
        return_gates: Literal[True],
    ) -> tuple[Tensor, Tensor, Gates]: ...
    @overload
    def forward(
        self,
        x: PackedSequence,
        h_0: Tensor | None = ...,
        *,
        resets: Tensor | None = ...,
        return_gates: Literal[False] = ...,
    ) -> tuple[PackedSequence, Tensor]: ...
    @overload
    def forward(
        self,
        x: PackedSequence,
        h_0: Tensor | None = ...,
        *,
        resets: Tensor | None = ...,
        return_gates: Literal[True],
    ) -> tuple[PackedSequence, Tensor, Gates]: ...
    def forward(
        self,
        x: Input,
        h_0: Tensor | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        resets: Tensor | None = None,
        return_gates: bool = False,
    ) -> tuple[Input, Tensor] | tuple[Input, Tensor, Gates]:
        """Runs all layers over x.

        Args:
            x: (L, N, D), with ``batch_first`` (N, L, D), unbatched (L, D), or a ``PackedSequence``. L and N may be 0.
            h_0: (K, N, H), unbatched (K, H); None for zeros.
            lengths: (N,) integers in 0 … L, any order, any device: how many steps each sequence has. A packed
                sequence brings its own. Checking their values synchronises with a CUDA device; compiled, exported and
                ``torch.func`` calls leave it out.
            resets: bool, (L, N), with ``batch_first`` (N, L), unbatched (L,): step t starts an episode; the state is
                cleared before both the gates and z ⊙ h. The reverse direction enters an episode at its last step, so
                that no direction hears another episode.
            return_gates: also return what the gates decided, differentiable.

        Returns:
            output: (L, N, directions × H) in x's layout, zero past each sequence's end; packed if x is.
            h_n: (K, N, H), unbatched (K, H): each sequence's state after its own last step.
            gates: with ``return_gates``, ``Gates`` whose fields are (K, L, N, H) in x's layout.
            Of a packed x, resets are (L, N) and gates (K, L, N, H), padded, also with ``batch_first``.
            Outputs, states and gates have the type of the parameters, also under autocast, where products are lowered.

        Raises:
            ValueError: a shape, a device or a length cannot work.
            TypeError: a type cannot work.
        """
        packed = None
        if isinstance(x, PackedSequence):
            if lengths is not None:
                raise ValueError("lengths: a PackedSequence brings its own, got another")
            packed = x
            x, lengths = pad_packed_sequence(packed)
        batched = not isinstance(x, Tensor) or x.dim() != 2
        transposed = batched and packed is None and self.batch_first
        x, h_0, resets = self._checked(x, h_0, resets, batched, transposed)
        L, N, _ = x.shape
        if not batched and lengths is not None:
            raise ValueError("lengths: an unbatched x (L, D) has one length: shorten x instead")
        lengths = checked_lengths(lengths, L, N, x.device)

        output = x
        states: list[Tensor] = []
        gates: list[tuple[Tensor, Tensor, Tensor]] = []
        for layer in range(self.num_layers):
            if layer:
                output = nn.functional.dropout(output, self.dropout, self.training)
            of_directions = []
            for reverse, suffix in enumerate(self._suffixes(layer)):
                call = Call(
                    x=output,
                    h_0=h_0[len(states)],
                    weight_ih=getattr(self, "weight_ih" + suffix),
                    weight_hh=getattr(self, "weight_hh" + suffix),
                    bias_ih=getattr(self, "bias_ih" + suffix) if self.bias else None,
                    bias_hh=getattr(self, "bias_hh" + suffix) if self.bias else None,
                    reset=self.reset,
                    lengths=lengths,
                    resets=resets,
                    reverse=bool(reverse),
                    return_gates=return_gates,
                    recompute=self.recompute,
                )
                result = gru_layer(call)
                of_directions.append(result.output)
                states.append(result.h_n)
                if result.gates is not None:
                    gates.append(result.gates)
            output = torch.cat(of_directions, dim=-1) if self.bidirectional else of_directions[0]
        h_n = torch.stack(states)

        def laid_out(value: Tensor) -> Tensor:
            """From (…, L, N, H) to the layout that x came in."""
            return value.transpose(-3, -2) if transposed else value if batched else value.squeeze(-2)

        out: Input = laid_out(output) if packed is None else _packed_like(packed, output)
        h_n = h_n if batched else h_n.squeeze(1)
        if not return_gates:
            return out, h_n
        fields = zip(*gates, strict=True)
        return out, h_n, Gates(*(laid_out(torch.stack(field)) for field in fields))

    def _checked(
        self, x: Tensor, h_0: Tensor | None, resets: Tensor | None, batched: bool, transposed: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """x (L, N, D), h_0 (K, N, H) and resets (L, N), or the error that says why not."""
        letters = (["N", "L"] if transposed else ["L", "N"]) if batched else ["L"]
        check_shape("x", x, {**dict.fromkeys(letters), "D": self.input_size})
        weight = self.weight_ih_l0
        assert isinstance(weight, Tensor)
        check_kind("x", x, weight)
        sizes: dict[str, int | None] = dict(zip(letters, x.shape[:-1], strict=True))
        check_resets(resets, sizes, x.device)
        K, H = self.num_layers * self._directions, self.hidden_size
        if h_0 is not None:
            batch = {"N": sizes["N"]} if batched else {}
            check_shape("h_0", h_0, {"K": K, **batch, "H": H})
            check_kind("h_0", h_0, weight)
            h_0 = h_0.to(weight.dtype)
        if not batched:
            x = x[:, None]
            h_0 = None if h_0 is None else h_0[:, None]
            resets = None if resets is None else resets[:, None]
        elif transposed:
            x = x.transpose(0, 1)
            resets = None if resets is None else resets.t()
        if h_0 is None:
            h_0 = x.new_zeros(K, x.shape[1], H, dtype=weight.dtype)
        return x, h_0, resets

    @classmethod
    def from_torch(cls, module: nn.GRU) -> "GRU":
        """The same function as a ``torch.nn.GRU``: a copy of its weights, with ``reset="after"``."""
        if not isinstance(module, nn.GRU):
            raise TypeError(f"module: expected a torch.nn.GRU, got {type(module).__name__}")
        gru = cls(**_arguments(module), reset="after")
        _copy(module, gru)
        return gru

    def to_torch(self) -> nn.GRU:
        """The same function as a ``torch.nn.GRU``, on a copy of the weights.

        Raises:
            ValueError: this is ``reset="before"``, which ``torch.nn.GRU`` does not compute and no weights make it.
        """
        if self.reset != "after":
            raise ValueError(
                f'reset: torch.nn.GRU computes reset="after" alone, this is reset="{self.reset}"; they are different '
                "functions and no conversion is exact"
            )
        module = nn.GRU(**_arguments(self))
        _copy(self, module)
        return module

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


def _arguments(module: "GRU | nn.GRU") -> dict[str, Any]:
    """What both constructors take; dropout is set afterwards, as it draws a warning where it does nothing."""
    names = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional")
    weight = module.weight_ih_l0
    return {name: getattr(module, name) for name in names} | {"device": weight.device, "dtype": weight.dtype}


def _copy(source: "GRU | nn.GRU", target: "GRU | nn.GRU") -> None:
    """Weights, whether each is trained, dropout and mode, of a module of the same arguments."""
    state = source.state_dict()
    state.pop("reset_after", None)
    target.load_state_dict(state)
    for ours, theirs in zip(target.parameters(), source.parameters(), strict=True):
        ours.requires_grad_(theirs.requires_grad)
    target.dropout = source.dropout
    target.train(source.training)


def _packed_like(packed: PackedSequence, output: Tensor) -> PackedSequence:
    """output (L, N, H) in the very order of ``packed``."""
    if packed.sorted_indices is not None:
        output = output.index_select(1, packed.sorted_indices)
    _, lengths = pad_packed_sequence(PackedSequence(packed.data, packed.batch_sizes))
    data = pack_padded_sequence(output, lengths).data
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
