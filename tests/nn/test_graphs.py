"""Inside graphs that torch.fx, torch.jit and torch.onnx draw of a model."""

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn

from penstock import GRU, GRUCell

D, H, L, N = 3, 5, 6, 2


class Model(nn.Module):
    """Whose graph is drawn."""

    def __init__(self, reset: str) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(4, D), nn.Linear(H, 2)
        self.inner = nn.ModuleDict({"gru": GRU(D, H, 2, reset=reset), "cell": GRUCell(H, H, reset=reset)})

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        output, h_n = self.inner["gru"](self.embed(x), lengths=lengths)
        return self.head(self.inner["cell"](output[-1], h_n[0]))


def test_a_leaf_of_a_graph_of_torch_fx(reset: str) -> None:
    model = Model(reset)
    traced = torch.fx.symbolic_trace(model)
    calls = [(node.target, set(node.kwargs)) for node in traced.graph.nodes if node.op == "call_module"]
    assert calls == [("embed", set()), ("inner.gru", {"lengths"}), ("inner.cell", set()), ("head", set())]
    for x, lengths in ((torch.randn(L, N, 4), None), (torch.randn(L + 1, N + 1, 4), torch.tensor([7, 0, 2]))):
        for graph in (traced, copy.deepcopy(traced)):
            assert torch.equal(graph(x, lengths), model(x, lengths))
    alone = torch.fx.symbolic_trace(model, concrete_args={"lengths": None})
    assert torch.equal(alone(x), model(x))


def test_all_options_are_in_the_node() -> None:
    class All(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = GRU(D, H)

        def forward(self, x: Any, h: Any, resets: Any, decay: Any) -> Any:
            return self.gru(x, hx=h, resets=resets, decay=decay, return_gates=True)[2].update

    model, x = All(), torch.randn(L, N, D)
    arguments = (x, torch.randn(1, N, H), torch.rand(L, N) < 0.3, torch.rand(L, N, 1))
    assert torch.equal(torch.fx.symbolic_trace(model)(*arguments), model(*arguments))


@pytest.mark.parametrize("module", [GRU(D, H), GRUCell(D, H)])
def test_by_itself_it_has_no_graph(module: nn.Module) -> None:
    with pytest.raises(TypeError, match=r"input: expected a torch.Tensor, got Proxy: torch.fx traces a model that hol"):
        torch.fx.symbolic_trace(module)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # sizes are checked, as torch.nn.GRU does
@pytest.mark.parametrize("grad", [False, True])
def test_traces_and_what_is_saved_computes_the_same(reset: str, grad: bool) -> None:
    model, x = Model(reset), torch.randn(L, N, 4)
    lengths = torch.tensor([6, 2])
    with torch.set_grad_enabled(grad):
        traced = torch.jit.trace(model, (x, lengths))
        file = io.BytesIO()
        torch.jit.save(traced, file)
        file.seek(0)
        again = torch.jit.load(file)
        for x, lengths in ((x, lengths), (torch.randn(L + 3, N + 1, 4), torch.tensor([9, 0, 4]))):  # noqa: B020
            torch.testing.assert_close(again(x, lengths), model(x, lengths))
        with pytest.raises(Exception, match=r"lengths: expected 0 … L=9, got 10"):
            again(x, torch.tensor([10, 0, 4]))
    assert "inner.gru.reset_after" in again.state_dict()
    if grad:
        again(x, lengths).sum().backward()
        assert all(parameter.grad is not None for parameter in again.parameters())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")  # of the older exporter
def test_the_older_way_to_onnx_is_refused_in_words(reset: str) -> None:
    says = "has an ONNX form with dynamo=True, torch's default, alone"
    with pytest.raises(NotImplementedError, match=rf"torch.onnx.export: penstock.GRU {says}"):
        torch.onnx.export(Model(reset).eval(), (torch.randn(L, N, 4),), io.BytesIO(), dynamo=False)
    with pytest.raises(NotImplementedError, match=rf"torch.onnx.export: penstock.GRUCell {says}"):
        torch.onnx.export(GRUCell(4, H, reset=reset), (torch.randn(N, 4),), io.BytesIO(), dynamo=False)
