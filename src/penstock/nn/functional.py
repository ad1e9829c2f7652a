"""The GRU as a function of its weights: one layer, one direction."""

from collections.abc import Sequence
from typing import Literal, overload

from torch import Tensor

from penstock.gates import Gates
from penstock.nn.checks import (
    check_kind,
    check_reset_form,
    check_resets,
    check_shape,
    checked_decay,
    checked_lengths,
    checked_state,
)
from penstock.ops import Call, gru_layer


@overload
def gru(
    x: Tensor,
    h_0: Tensor | None,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = ...,
    bias_hh: Tensor | None = ...,
    *,
    reset: str = ...,
    lengths: Tensor | Sequence[int] | None = ...,
    resets: Tensor | None = ...,
    decay: Tensor | None = ...,
    reverse: bool = ...,
    return_gates: Literal[False] = ...,
    recompute: bool = ...,
) -> tuple[Tensor, Tensor]: ...
@overload
def gru(
    x: Tensor,
    h_0: Tensor | None,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = ...,
    bias_hh: Tensor | None = ...,
    *,
    reset: str = ...,
    lengths: Tensor | Sequence[int] | None = ...,
    resets: Tensor | None = ...,
    decay: Tensor | None = ...,
    reverse: bool = ...,
    return_gates: Literal[True],
    recompute: bool = ...,
) -> tuple[Tensor, Tensor, Gates]: ...
def gru(
    x: Tensor,
    h_0: Tensor | None,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    *,
    reset: str = "before",
    lengths: Tensor | Sequence[int] | None = None,
    resets: Tensor | None = None,
    decay: Tensor | None = None,
    reverse: bool = False,
    return_gates: bool = False,
    recompute: bool = False,
) -> tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Gates]:
    """One layer of a GRU in one direction; ``penstock.equations`` has the lines it computes.

    Args:
        x: (L, N, D), the type and device of the weights (under autocast, any floating type but float64).
        h_0: (N, H), or None for zeros.
        weight_ih: (3H, D), rows in the order r, z, n.
        weight_hh: (3H, H), likewise.
        bias_ih: (3H,) or None. Both biases or neither.
        bias_hh: (3H,) or None.
        reset: ``"before"`` (Cho et al. 2014, arXiv:1406.1078v3, section 2.3) or ``"after"`` (cuDNN, ``torch.nn.GRU``).
        lengths: (N,) integers in 0 … L, any order, any device: how many steps each sequence has.
        resets: (L, N) bool: step t starts an episode, with the state cleared before both the gates and z ⊙ h.
        decay: (L, N, H) or (L, N, 1), γ in [0, 1]: the state that enters step t is γ_t ⊙ h_{t-1}; in reverse, what
            passes from step t+1 to t is multiplied by γ_{t+1}. See ``penstock.GRU``.
        reverse: from each sequence's last step to its first; an episode is then entered at its last step.
        return_gates: also return what the gates decided.
        recompute: keep no gates for backward, which then computes them again.

    Returns:
        output (L, N, H), zero past each sequence's end; h_n (N, H), each sequence's state after its own last step;
        with ``return_gates`` also ``Gates`` of (L, N, H) each.

    Raises:
        ValueError: a shape, a device, a length or ``reset`` cannot work.
        TypeError: a type cannot work.
    """
    check_reset_form(reset)
    check_shape("weight_hh", weight_hh, {"3H": None, "H": None})
    H = weight_hh.shape[1]
    check_shape("weight_hh", weight_hh, {"3H": 3 * H, "H": H})
    check_shape("weight_ih", weight_ih, {"3H": 3 * H, "D": None})
    D = weight_ih.shape[1]
    check_kind("weight_ih", weight_ih, weight_hh)
    if (bias_ih is None) != (bias_hh is None):
        raise ValueError("bias_ih, bias_hh: expected both or neither, got one")
    for name, bias in (("bias_ih", bias_ih), ("bias_hh", bias_hh)):
        if bias is not None:
            check_shape(name, bias, {"3H": 3 * H})
            check_kind(name, bias, weight_hh)
    check_shape("x", x, {"L": None, "N": None, "D": D})
    check_kind("x", x, weight_hh)
    L, N, _ = x.shape
    if h_0 is None:
        h_0 = x.new_zeros(N, H, dtype=weight_hh.dtype)
    else:
        h_0 = checked_state("h_0", h_0, "NH", (N, H), weight_hh)
    if lengths is not None:
        lengths = checked_lengths(lengths, L, N, x.device)
    if resets is not None:
        check_resets(resets, "LN", (L, N), x.device)
    if decay is not None:
        decay = checked_decay(decay, "LN", (L, N), H, weight_hh)
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    output, h_n, gates = gru_layer(
        Call(x, h_0, *weights, reset, lengths, resets, decay, reverse, return_gates, recompute)
    )
    return (output, h_n) if gates is None else (output, h_n, Gates(*gates))
