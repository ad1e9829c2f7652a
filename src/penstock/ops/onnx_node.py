"""ONNX's GRU as ``torch.onnx.export`` draws it: a layer becomes one node, be it of one direction or of both.

The node computes ``penstock.equations`` with its gates in the order z, r, h; ``linear_before_reset`` is 0 for
reset="before" and 1 for "after" (https://onnx.ai/onnx/operators/onnx__GRU.html).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from penstock.ops.call import Call, Result

Weights = tuple[Tensor, Tensor, Tensor | None, Tensor | None]

DTYPES = (torch.float16, torch.float32, torch.float64)
"""Of the node. Version 22 has bfloat16 too, but torch writes an earlier one."""


def is_drawn() -> bool:
    """Whether ``torch.onnx.export`` is drawing its graph, by either of its ways."""
    return torch.onnx.is_in_onnx_export()


# As torch.compiler.assume_constant_result does, which imports all of the compiler. To is_in_onnx_export itself the
# compiler says no, though torch.onnx.export comes by way of it when its first way failed.
is_drawn._dynamo_marked_constant = True  # type: ignore[attr-defined]


def refuse(**unsaid: bool) -> None:
    """Raises NotImplementedError for what is asked of a layer and the node cannot say."""
    sentences = {
        "resets": "resets: ONNX's GRU has none; cut the sequences where they start anew, or export one step and clear "
        "the state between steps",
        "decay": "decay: ONNX's GRU has none",
        "return_gates": "return_gates: ONNX's GRU gives states alone",
        "dropout": "dropout: a graph is for inference; call eval() first",
    }
    for name, asked in unsaid.items():
        if asked:
            raise NotImplementedError(f"torch.onnx.export: {sentences[name]}")


def layer(
    x: Tensor,
    h_0: Tensor | None,
    weights: Sequence[Weights],
    reset: str,
    lengths: Tensor | None,
    reverse: Sequence[bool],
) -> tuple[Tensor, Tensor]:
    """One node; with lengths one for each direction.

    Args:
        x: (L, N, D).
        h_0: (K, N, H), K directions, or None for zeros.
        weights: of each direction.
        reset: the form.
        lengths: (N,) integers.
        reverse: of each direction; of two the second is.

    Returns:
        output (L, N, K × H) and h_n (K, N, H).

    Raises:
        NotImplementedError: the node has no such type.
    """
    if lengths is None:
        direction = "bidirectional" if len(reverse) > 1 else "reverse" if reverse[0] else "forward"
        Y, Y_h = _node(x, h_0, weights, reset, None, direction)
        return Y.transpose(1, 2).flatten(2) if len(reverse) > 1 else Y.squeeze(1), Y_h
    found = [
        _ragged(x, None if h_0 is None else h_0[k : k + 1], one, reset, lengths, reverse[k])
        for k, one in enumerate(weights)
    ]
    outputs, states = zip(*found, strict=True)
    return (outputs[0], states[0]) if len(found) == 1 else (torch.cat(outputs, -1), torch.cat(states))


def _ragged(
    x: Tensor, h_0: Tensor | None, weights: Weights, reset: str, lengths: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    """One direction of sequences of unequal lengths: output (L, N, H) and h_n (1, N, H).

    The node is told the lengths, and what it should make of them is made around it once more. Not every runtime does:
    OpenVINO's (2026.4, CPU) and ONNX's own reference read past the ends, ONNX Runtime (1.32) clears the state of an
    empty sequence.
    """
    x = _turned(x, lengths) if reverse else x
    Y, Y_h = _node(x, h_0, [weights], reset, lengths, "forward")
    output, at = Y.squeeze(1), lengths[:, None]
    alive = torch.arange(x.shape[0], device=x.device)[:, None, None] < at
    last = output.gather(0, (at - 1).clamp(min=0).expand_as(Y_h[0])[None])
    h_n = last.masked_fill(at == 0, 0) if h_0 is None else torch.where(at > 0, last, h_0)
    output = output.masked_fill(~alive, 0)
    return _turned(output, lengths) if reverse else output, h_n


def _turned(x: Tensor, lengths: Tensor) -> Tensor:
    """(L, N, D) with each sequence's own steps in the other order, and those past its end where they were."""
    turn: Any = {"batch_axis": 1, "time_axis": 0}
    return torch.onnx.ops.symbolic("ReverseSequence", [x, lengths.clamp(min=1)], turn, dtype=x.dtype, shape=x.shape)


def _node(
    x: Tensor, h_0: Tensor | None, weights: Sequence[Weights], reset: str, lengths: Tensor | None, direction: str
) -> Sequence[Tensor]:
    """Y (L, K, N, H) and Y_h (K, N, H)."""
    (L, N, _), K, H = x.shape, len(weights), weights[0][1].shape[1]
    dtype = weights[0][1].dtype
    if dtype not in DTYPES:
        raise NotImplementedError(f"torch.onnx.export: expected float16, float32 or float64 weights, got {dtype}")
    w_ih = torch.stack([_in_order(one[0]) for one in weights])
    w_hh = torch.stack([_in_order(one[1]) for one in weights])
    biases = [torch.cat([_in_order(b) for b in one[2:] if b is not None]) for one in weights if one[2] is not None]
    bias = torch.stack(biases) if biases else None
    return torch.onnx.ops.symbolic_multi_out(
        "GRU",
        [x, w_ih, w_hh, bias, None if lengths is None else lengths.to(torch.int32), h_0],
        {"direction": direction, "hidden_size": H, "linear_before_reset": int(reset == "after")},
        dtypes=[dtype, dtype],
        shapes=[[L, K, N, H], [K, N, H]],
    )


def run(call: Call) -> Result:
    """A call of one direction, as a backend has it."""
    refuse(resets=call.resets is not None, decay=call.decay is not None, return_gates=call.return_gates)
    weights = (call.weight_ih, call.weight_hh, call.bias_ih, call.bias_hh)
    output, h_n = layer(call.x, call.h_0[None], [weights], call.reset, call.lengths, [call.reverse])
    return Result(output, h_n[0])


def of_operator(*arguments: Any) -> tuple[Tensor, ...]:
    """The arguments of ``penstock::gru`` to its results, of which a graph for ONNX has the first two."""
    x, h_0, w_ih, w_hh, b_ih, b_hh, decay, after, lengths, resets, reverse, return_gates, _ = arguments
    form = "after" if after else "before"
    call = Call(x, h_0, w_ih, w_hh, b_ih, b_hh, form, lengths, resets, decay, reverse, return_gates)
    output, h_n, _ = run(call)
    return (output, h_n, *[x.new_empty(0)] * 7)


def _in_order(weight: Tensor) -> Tensor:
    """(3H, …) with the rows z, r, n of one whose rows are r, z, n."""
    H = weight.shape[0] // 3
    return torch.cat([weight[H : 2 * H], weight[:H], weight[2 * H :]])
