"""The operator boundary: who is asked, who computes, and what is said of it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from helpers import draw, draw_weights

import penstock
from penstock.native import core
from penstock.ops import Call, composite, explain_layer, gru_layer

needs_core = pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}")
COMPUTES = "composite" if core.unavailable else "fused"


def test_the_first_backend_that_does_not_decline_runs(reset: str) -> None:
    call = Call(draw(2, 1, 3), draw(1, 2), *draw_weights(3, 2), reset)
    asked = explain_layer(call)
    assert asked[0] == ("cudnn", "cuDNN needs a CUDA device, x is on cpu")
    assert asked[-1][0] == COMPUTES
    torch.testing.assert_close(gru_layer(call).output, composite.run(call).output, rtol=1e-12, atol=1e-13)


@needs_core
def test_explain_tells_of_every_layer() -> None:
    gru = penstock.GRU(3, 5, num_layers=2, bidirectional=True)
    said = penstock.explain(gru, torch.zeros(4, 2, 3))
    assert said.startswith("4 × one layer in one direction:\n  cudnn      cuDNN needs a CUDA device, x is on cpu\n")
    assert said.splitlines()[-1].split()[0] == "fused"
    mixed = torch.nn.ModuleList([gru, penstock.GRUCell(3, 5, dtype=torch.bfloat16)])
    said = penstock.explain(lambda: (mixed[0](torch.zeros(4, 2, 3)), mixed[1](torch.zeros(2, 3, dtype=torch.bfloat16))))
    assert "the weights are torch.bfloat16\n  composite  plain torch operations" in said
    assert penstock.explain(torch.nn.GRU(3, 5), torch.zeros(4, 2, 3)) == "no GRU layer of Penstock was called"


@needs_core
def test_explain_tells_the_memory_that_backward_needs() -> None:
    x = torch.zeros(100, 20, 3)
    assert "it keeps 2.0 MB of states and gates" in penstock.explain(penstock.GRU(3, 50, reset="after"), x)
    said = penstock.explain(penstock.GRU(3, 50, reset="after", recompute=True), x)
    assert "it keeps 0.4 MB of states, from which gates are computed again" in said


@needs_core
def test_explain_hears_its_own_thread_alone() -> None:
    gru, x = penstock.GRU(3, 5), torch.zeros(4, 2, 3)
    inside, done = threading.Event(), threading.Event()

    def slowly(x: torch.Tensor) -> None:
        gru(x)
        inside.set()
        assert done.wait(300)

    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(penstock.explain, slowly, x)
        assert inside.wait(300)
        gru(x)
        assert penstock.explain(lambda x: (gru(x), gru(x)), x).startswith("2 × one layer")
        done.set()
        assert said.result().startswith("1 × one layer")


@needs_core
def test_an_explanation_inside_another_is_apart() -> None:
    gru, x = penstock.GRU(3, 5), torch.zeros(4, 2, 3)
    inner = []
    outer = penstock.explain(lambda: (gru(x), inner.append(penstock.explain(gru, x)), gru(x)))
    assert outer.startswith("2 × one layer")
    assert inner[0].startswith("1 × one layer")


@needs_core
def test_an_error_ends_the_explanation() -> None:
    gru, x = penstock.GRU(3, 5), torch.zeros(4, 2, 3)
    with pytest.raises(ValueError, match="expected"):
        penstock.explain(gru, torch.zeros(4, 2, 7))
    assert penstock.explain(gru, x).startswith("1 × one layer")


@needs_core
@pytest.mark.slow
def test_a_compiled_module_is_explained_without_being_compiled() -> None:
    gru, x = penstock.GRU(3, 5), torch.zeros(4, 2, 3)
    compiled = torch.compile(gru, backend="eager")
    for _ in range(2):
        assert penstock.explain(compiled, x) == penstock.explain(gru, x)
        compiled(x)
