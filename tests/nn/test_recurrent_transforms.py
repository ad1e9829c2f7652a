"""penstock.GRU under torch's machinery: gradcheck, torch.func, torch.compile, torch.export."""

import pytest
import torch
from helpers import draw
from torch.func import functional_call, grad, jacrev, vmap

from penstock import GRU

D, H, L, N = 2, 3, 4, 3
RESETS = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]]).bool()
LENGTHS = torch.tensor([4, 0, 3])


def make(reset: str, **options: object) -> GRU:
    torch.manual_seed(0)
    return GRU(D, H, reset=reset, dtype=torch.float64, **options)


@pytest.mark.parametrize("options", [{}, {"lengths": LENGTHS, "resets": RESETS}])
def test_gradcheck_and_gradgradcheck(reset: str, options: dict[str, torch.Tensor]) -> None:
    gru = make(reset, bidirectional=True)
    names = [name for name, _ in gru.named_parameters()]

    def call(x: torch.Tensor, h_0: torch.Tensor, *weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output, h_n, gates = functional_call(
            gru, dict(zip(names, weights, strict=True)), (x, h_0), {"return_gates": True, **options}
        )
        return (output, h_n, *gates)

    inputs = [draw(L, N, D), draw(2, N, H), *(p.detach().clone() for p in gru.parameters())]
    for value in inputs:
        value.requires_grad_()
    assert torch.autograd.gradcheck(call, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize("options", [{}, {"lengths": LENGTHS, "resets": RESETS}])
def test_vmap_over_models_and_inputs(reset: str, options: dict[str, torch.Tensor]) -> None:
    models = [make(reset, bidirectional=True) for _ in range(2)]
    for k, model in enumerate(models):
        for parameter in model.parameters():
            parameter.data += 0.1 * k
    weights, _ = torch.func.stack_module_state(models)
    x = draw(2, L, N, D)

    def call(weights: dict[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return functional_call(models[0], weights, (x,), options)

    together = vmap(call)(weights, x)
    for k, model in enumerate(models):
        for mine, alone in zip(together, model(x[k], **options), strict=True):
            torch.testing.assert_close(mine[k], alone, rtol=1e-12, atol=1e-13)


def test_per_sample_gradients(reset: str) -> None:
    gru = make(reset)
    weights = {name: p.detach() for name, p in gru.named_parameters()}
    x, h_0 = draw(N, L, D), draw(N, H)

    def loss(weights: dict[str, torch.Tensor], x: torch.Tensor, h_0: torch.Tensor) -> torch.Tensor:
        return functional_call(gru, weights, (x, h_0[None]))[0].square().sum()

    together = vmap(grad(loss), in_dims=(None, 0, 0))(weights, x, h_0)
    for k in range(N):
        alone = torch.autograd.grad(gru(x[k], h_0[k : k + 1])[0].square().sum(), list(gru.parameters()))
        for name, expected in zip(weights, alone, strict=True):
            torch.testing.assert_close(together[name][k], expected, rtol=1e-11, atol=1e-12)


def test_jacobian(reset: str) -> None:
    gru = make(reset)
    x = draw(L, D)
    jacobian = jacrev(lambda x: gru(x)[0])(x)
    expected = torch.autograd.functional.jacobian(lambda x: gru(x)[0], x)
    torch.testing.assert_close(jacobian, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"lengths": LENGTHS, "resets": RESETS, "return_gates": True}])
def test_compiles_to_one_graph_forward_and_backward(reset: str, options: dict[str, object]) -> None:
    torch.compiler.reset()  # it keeps so many graphs of one function, whoever's
    gru = make(reset, num_layers=2)
    x, h_0 = draw(L, N, D).requires_grad_(), draw(2, N, H).requires_grad_()
    compiled = torch.compile(gru, fullgraph=True, backend="aot_eager")
    found = []
    for module in (gru, compiled):
        output, h_n, *gates = module(x, h_0, **options)
        loss = output.square().sum() + h_n.sum() + sum(g.sum() for gate in gates for g in gate)
        found.append([output, h_n, *torch.autograd.grad(loss, [x, h_0, *gru.parameters()])])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(theirs, mine, rtol=1e-11, atol=1e-12)


@pytest.mark.slow
def test_compiles_with_inductor(reset: str) -> None:
    torch.compiler.reset()
    gru = GRU(D, H, reset=reset)
    x = torch.randn(L, N, D)
    output, _ = torch.compile(gru, fullgraph=True)(x)
    torch.testing.assert_close(output, gru(x)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"lengths": LENGTHS, "resets": RESETS}])
def test_exports(reset: str, options: dict[str, torch.Tensor]) -> None:
    gru = make(reset, num_layers=2, bidirectional=True)
    program = torch.export.export(gru, (draw(L, N, D),), options)
    x = draw(L, N, D, seed=1)
    for mine, theirs in zip(program.module()(x, **options), gru(x, **options), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.slow
def test_exports_with_the_batch_left_free(reset: str) -> None:
    gru = make(reset)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(gru, (draw(L, N, D), draw(1, N, H)), dynamic_shapes=({1: batch}, {1: batch}))
    x, h_0 = draw(L, 7, D), draw(1, 7, H)
    torch.testing.assert_close(program.module()(x, h_0)[0], gru(x, h_0)[0], rtol=1e-12, atol=1e-13)
