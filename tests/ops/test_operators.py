"""penstock::gru and penstock::gru_backward: what torch expects of operators, and what they refuse, whoever calls."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers import draw, draw_weights
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from penstock.native import core
from penstock.ops import Call, composite, fused, gru_layer

pytestmark = pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}")

L, N, D, H = 5, 3, 2, 9
NAMES = ("x", "h_0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "decay", "lengths", "resets")
LENGTHS = torch.tensor([5, 0, 3])
RESETS = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 1]]).bool()
Arguments = dict[str, Any]


def example(fading: int = H) -> Arguments:
    """A call's tensors by their names."""
    tensors = (draw(L, N, D), draw(N, H), *draw_weights(D, H), torch.sigmoid(draw(L, N, fading)), LENGTHS, RESETS)
    return dict(zip(NAMES, tensors, strict=True))


def flat(given: Arguments, reset: str = "before", reverse: bool = False) -> list[Any]:
    """The operators' first eleven arguments."""
    return [*(given[name] for name in NAMES[:7]), reset == "after", given["lengths"], given["resets"], reverse]


def backward_of(given: Arguments, results: Any, reset: str = "before", gates: bool = True) -> list[Any]:
    output, h_n, r, z, n, u, *_ = results
    kept = [r, z, n, u if reset == "after" else None] if gates else [None] * 4
    grads = [draw(*value.shape).to(value.dtype) for value in (output, h_n)]
    return [*flat(given, reset), output, *kept, *grads, None, None, None, [True] * 6 + [given["decay"] is not None]]


@pytest.mark.slow
@pytest.mark.parametrize("keep", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("options", [{}, {"decay": None, "lengths": None, "resets": None}])
def test_they_are_what_torch_expects(reset: str, options: Arguments, keep: tuple[bool, bool]) -> None:
    given = example() | options
    for name in NAMES[:7]:
        if given[name] is not None:
            given[name].requires_grad_()
    torch.library.opcheck(torch.ops.penstock.gru.default, (*flat(given, reset), *keep))
    with torch.no_grad():
        results = torch.ops.penstock.gru(*flat(given, reset), *keep)
        torch.library.opcheck(torch.ops.penstock.gru_backward.default, backward_of(given, results, reset, keep[0]))


WRONG: dict[str, tuple[Arguments, type[Exception], str]] = {
    "lengths below": ({"lengths": torch.tensor([5, -2, 3])}, ValueError, "lengths: expected 0 … L=5, got -2"),
    "lengths above": ({"lengths": torch.tensor([5, 0, 12])}, ValueError, "lengths: expected 0 … L=5, got 12"),
    "lengths far": ({"lengths": torch.tensor([4_000_000] * 3)}, ValueError, "lengths: expected 0 … L=5, got 4000000"),
    "lengths of others": ({"lengths": LENGTHS[:2]}, ValueError, "lengths: expected (N=3), got (2,)"),
    "lengths int32": ({"lengths": LENGTHS.int()}, TypeError, "lengths: expected int64, got another type"),
    "lengths 2-D": ({"lengths": LENGTHS[None]}, ValueError, "lengths: expected (N=3), got (1, 3)"),
    "resets turned": ({"resets": RESETS.t()}, ValueError, "resets: expected (L=5, N=3), got (3, 5)"),
    "resets int": ({"resets": RESETS.long()}, TypeError, "resets: expected bool, got int64"),
    "x shorter than the rest": ({"x": draw(L, N - 1, D)}, ValueError, "h_0: expected (N=2, H=9), got (3, 9)"),
    "x wider": ({"x": draw(L, N, D + 1)}, ValueError, "x: expected (L, N, D=2), got (5, 3, 3)"),
    "x 2-D": ({"x": draw(N, D)}, ValueError, "x: expected (L, N, D=2), got (3, 2)"),
    "x float32": ({"x": draw(L, N, D).float()}, TypeError, "x: expected float64, as the weights are, got float32"),
    "x int64": ({"x": draw(L, N, D).long()}, TypeError, "x: expected float64, as the weights are, got int64"),
    "x complex": (
        {"x": draw(L, N, D).to(torch.complex128)},
        TypeError,
        "x: expected float64, as the weights are, got another type",
    ),
    "h_0 narrower": ({"h_0": draw(N, H - 1)}, ValueError, "h_0: expected (N=3, H=9), got (3, 8)"),
    "h_0 3-D": ({"h_0": draw(1, N, H)}, ValueError, "h_0: expected (N=3, H=9), got (1, 3, 9)"),
    "h_0 0-D": ({"h_0": torch.tensor(1.0).double()}, ValueError, "h_0: expected (N=3, H=9), got ()"),
    "h_0 half": ({"h_0": draw(N, H).half()}, TypeError, "h_0: expected float64, as the weights are, got another type"),
    "weights of no units": ({"weight_hh": draw(0, 0)}, ValueError, "weight_hh: expected H of 1 or more, got 0"),
    "weight_hh square": ({"weight_hh": draw(H, H)}, ValueError, "weight_hh: expected (3H=27, H=9), got (9, 9)"),
    "weight_ih turned": ({"weight_ih": draw(D, 3 * H)}, ValueError, "weight_ih: expected (3H=27, D), got (2, 27)"),
    "weight_ih float32": (
        {"weight_ih": draw(3 * H, D).float()},
        TypeError,
        "weight_ih: expected float64, as weight_hh is, got float32",
    ),
    "all bfloat16": (
        {name: value.bfloat16() for name, value in example().items() if name in NAMES[:7]},
        TypeError,
        "weight_hh: expected float32 or float64, got bfloat16",
    ),
    "bias_ih shorter": ({"bias_ih": draw(H)}, ValueError, "bias_ih: expected (3H=27), got (9,)"),
    "bias_hh float32": (
        {"bias_hh": draw(3 * H).float()},
        TypeError,
        "bias_hh: expected float64, as weight_hh is, got float32",
    ),
    "decay of two": ({"decay": draw(L, N, 2)}, ValueError, "decay: expected (L=5, N=3, H=9), got (5, 3, 2)"),
    "decay float32": (
        {"decay": draw(L, N, 1).float()},
        TypeError,
        "decay: expected float64, as the weights are, got float32",
    ),
}
VALUES = ("lengths below", "lengths above", "lengths far")
"""Which a tensor without values cannot show."""


@pytest.mark.parametrize(("change", "error", "words"), WRONG.values(), ids=WRONG)
def test_a_direct_call_refuses_in_the_cores_words(
    change: Arguments, error: type[Exception], words: str, request: pytest.FixtureRequest
) -> None:
    given = example() | change
    whole = f"^{re.escape(words)}$"
    for keep in ((False, False), (True, True)):
        with pytest.raises(error, match=whole):
            torch.ops.penstock.gru(*flat(given), *keep)
    right = torch.ops.penstock.gru(*flat(example()), True, False)
    with pytest.raises(error, match=whole):
        torch.ops.penstock.gru_backward(*backward_of(given, right))
    call = Call(*(given[name] for name in NAMES[:6]), "before", given["lengths"], given["resets"], given["decay"])
    if fused.declines(call) is None:
        with pytest.raises(error, match=whole):
            gru_layer(call)
    if not any(name in request.node.name for name in VALUES):
        meta = {name: value.to("meta") for name, value in given.items()}
        with pytest.raises(error, match=whole):
            torch.ops.penstock.gru(*flat(meta), False, False)
        with pytest.raises(error, match=whole):
            torch.ops.penstock.gru_backward(*backward_of(meta, [value.to("meta") for value in right]))


def test_backward_refuses_what_forward_did_not_make(reset: str) -> None:
    given = example()
    right = backward_of(given, torch.ops.penstock.gru(*flat(given, reset), True, False), reset)
    names = ["output", "reset", "update", "candidate", "recurrent", "grad_output", "grad_h_n"]
    for name, k in zip(names, range(11, 18), strict=True):
        if right[k] is None:
            continue
        for wrong, error in ((right[k][..., :-1], ValueError), (right[k].float(), TypeError)):
            for device in ("cpu", "meta"):
                arguments = [*right[:k], wrong, *right[k + 1 :]]
                arguments = [a.to(device) if isinstance(a, torch.Tensor) else a for a in arguments]
                with pytest.raises(error, match=f"^{name}: expected "):
                    torch.ops.penstock.gru_backward(*arguments)
    with pytest.raises(ValueError, match=r"needed: expected 7 of them, for x, h_0, .*, got 2"):
        torch.ops.penstock.gru_backward(*right[:-1], [True, False])


@pytest.mark.parametrize(
    ("name", "shape"), [("x", (2**59, N, D)), ("x", (2**40, N, D)), ("weight_hh", (3 * 2**29, 2**29))]
)
def test_what_is_larger_than_memory_is_refused(name: str, shape: tuple[int, ...]) -> None:
    """By torch, which cannot allocate the results."""
    given = example() | {"decay": None, "lengths": None, "resets": None}
    given[name] = torch.zeros(1, dtype=torch.float64).expand(shape)
    with pytest.raises(RuntimeError, match=r"allocate memory|Storage size calculation overflowed"):
        torch.ops.penstock.gru(*flat(given), False, False)


@pytest.mark.parametrize("name", NAMES[1:])
def test_all_are_on_one_device(name: str) -> None:
    given = example()
    given[name] = given[name].to("meta")
    with pytest.raises(ValueError, match=f"{name}: expected a tensor on cpu, as x is, got meta"):
        torch.ops.penstock.gru(*flat(given), False, False)


def through_compile(function: Callable[..., Any], *example: Any) -> Callable[..., Any]:
    torch._dynamo.reset()
    return torch.compile(function, backend="aot_eager", fullgraph=True)


def through_export(function: Callable[..., Any], *example: Any) -> Callable[..., Any]:
    class Module(torch.nn.Module):
        def forward(self, *arguments: Any) -> Any:
            return function(*arguments)

    return torch.export.export(Module(), example).module()


def through_trace(function: Callable[..., Any], *example: Any) -> Callable[..., Any]:
    traced = torch.jit.trace(function, example)
    torch.jit.save(traced, file := io.BytesIO())
    file.seek(0)
    return torch.jit.load(file)


TRACED = "ignore:`torch.jit:DeprecationWarning"
WAYS = [through_compile, through_export, through_trace]


@pytest.mark.filterwarnings(TRACED)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("grad", [False, True])
def test_a_graph_refuses_lengths_in_the_same_words(way: Callable[..., Any], grad: bool) -> None:
    given = example()

    def run(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        tensors = [x, *(given[name] for name in NAMES[1:6])]
        return gru_layer(Call(*tensors, "before", lengths, given["resets"])).output

    x = given["x"].requires_grad_(grad)
    graph = way(run, x, LENGTHS)
    assert torch.equal(graph(x, LENGTHS), run(x, LENGTHS))
    for wrong in (-2, 12, 4_000_000):
        with pytest.raises((ValueError, RuntimeError), match=f"lengths: expected 0 … L=5, got {wrong}"):
            graph(x, torch.tensor([5, wrong, 3]))


@pytest.mark.parametrize("what", ["x wider", "h_0 narrower", "resets turned", "lengths of others", "decay of two"])
def test_a_graph_refuses_shapes_in_the_same_words(what: str) -> None:
    change, _, words = WRONG[what]
    compiled = through_compile(lambda *tensors: gru_layer(Call(*tensors[:6], "after", *tensors[7:], tensors[6])).output)
    with pytest.raises(Exception, match=re.escape(words)):
        compiled(*(example() | change).values())


@pytest.mark.filterwarnings(TRACED)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recompute", [False, True])
def test_a_graph_computes_the_same(way: Callable[..., Any], reset: str, recompute: bool) -> None:
    def run(x: torch.Tensor, decay: torch.Tensor, *rest: torch.Tensor) -> Any:
        *tensors, lengths, resets = rest
        call = Call(x, *tensors, reset, lengths, resets, decay, return_gates=True, recompute=recompute)
        output, h_n, gates = gru_layer(call)
        return output.square(), h_n, *(gates or ())

    given = example()
    tensors = [given[name].requires_grad_() for name in ("x", "decay", *NAMES[1:6])]
    graph = way(run, *tensors, LENGTHS, RESETS)
    found = []
    for computes in (run, graph):
        results = computes(*tensors, LENGTHS, RESETS)
        grads = [draw(*value.shape, seed=k) for k, value in enumerate(results)]
        found.append([*results, *torch.autograd.grad(results, tensors, grads)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.filterwarnings(TRACED)
@pytest.mark.parametrize("way", [through_compile, through_trace])
def test_in_a_graph_too_what_is_returned_may_be_changed_and_buffers_be_written(
    way: Callable[..., Any], reset: str
) -> None:
    given, found = example(), []
    tensors = [given[name].requires_grad_() for name in NAMES[:6]]

    def run(lengths: torch.Tensor, resets: torch.Tensor, *tensors: torch.Tensor) -> torch.Tensor:
        output = gru_layer(Call(*tensors, reset, lengths, resets)).output
        return output.mul_(2).relu_()

    graph = way(run, LENGTHS, RESETS, *tensors)
    for computes, change in ((run, False), (graph, True)):
        lengths, resets = LENGTHS.clone(), RESETS.clone()
        result = computes(lengths, resets, *tensors)
        loss = (result * draw(L, N, H)).sum()
        if change:
            lengths.numpy()[:], resets.numpy()[:] = -1000, True
        found.append(torch.autograd.grad(loss, tensors))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)


def test_an_exported_graph_keeps_nothing_for_backward(reset: str) -> None:
    tensors = [example()[name].requires_grad_() for name in NAMES[:6]]

    class Module(torch.nn.Module):
        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            return gru_layer(Call(*tensors, reset)).output

    for strict in (False, True):
        program = torch.export.export(Module(), tuple(tensors), strict=strict)
        (node,) = (n for n in program.graph.nodes if n.target is torch.ops.penstock.gru.default)
        assert node.args[-2:] == (False, False)


@pytest.mark.filterwarnings(TRACED)
@pytest.mark.parametrize("grad", [False, True])
def test_a_trace_is_the_same_with_gradients_and_without(reset: str, grad: bool) -> None:
    """torch.jit.trace checks what it made by tracing once more, without gradients."""
    tensors = [example()[name].requires_grad_() for name in NAMES[:6]]
    with torch.set_grad_enabled(grad):
        traced = torch.jit.trace(lambda *tensors: gru_layer(Call(*tensors, reset)).output, tensors)
    found = [
        torch.autograd.grad(f(*tensors).sum(), tensors) for f in (traced, lambda *t: fused.run(Call(*t, reset))[0])
    ]
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.slow
def test_transforms_inside_a_compiled_function(reset: str) -> None:
    given = example()
    x, *rest = (given[name] for name in NAMES[:6])

    def loss(x: torch.Tensor, weight_hh: torch.Tensor) -> torch.Tensor:
        h_0, weight_ih, _, *biases = rest
        return gru_layer(Call(x, h_0, weight_ih, weight_hh, *biases, reset)).output.square().sum()

    functions: list[Callable[..., Any]] = [
        torch.func.grad(loss, argnums=1),
        torch.func.vmap(torch.func.grad(loss, argnums=1), in_dims=(0, None)),
        torch.func.jacrev(loss),
        torch.func.vmap(loss, in_dims=(0, None)),
    ]
    for k, function in enumerate(functions):
        first = torch.stack([x, 2 * x]) if k % 2 else x
        found, expected = (f(first, rest[2]) for f in (through_compile(function), function))
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def test_operations_are_counted(reset: str) -> None:
    x, h_0 = torch.randn(35, 32, 28), torch.randn(32, 256)
    weights = [torch.randn(768, size, requires_grad=True) for size in (28, 256)]
    for recompute in (False, True):
        with FlopCounterMode(display=False) as counter:
            output = gru_layer(Call(x, h_0, *weights, None, None, reset, recompute=recompute)).output
            forward = counter.get_total_flops()
        with FlopCounterMode(display=False) as counter:
            output.sum().backward()
        assert forward == 2 * 35 * 32 * 3 * 256 * (28 + 256) == 488_570_880
        of_states = 2 * 35 * 32 * 3 * 256 * 256
        assert counter.get_total_flops() == forward + of_states + recompute * forward


LAYOUTS: list[Callable[[torch.Tensor], torch.Tensor]] = [
    lambda t: t,
    lambda t: t.transpose(0, -1).contiguous().transpose(0, -1),
    lambda t: torch.stack([t, t], -1)[..., 1],
    lambda t: t.repeat(2, *[1] * (t.dim() - 1))[: len(t)],
    lambda t: t[..., :1].expand(t.shape),
    lambda t: t.as_strided(t.shape, [1] * t.dim()),
    lambda t: torch._neg_view(t) if t.is_floating_point() else t,
    lambda t: t.flip(0),
]


@given(data=st.data())
def test_whatever_comes_is_computed_or_refused(data: st.DataObject) -> None:
    """Right where the shapes and types go together, however the tensors lie; else one line that names an argument."""
    draw_size = st.sampled_from([0, 1, 2, 3, 5])
    sizes = {"L": data.draw(draw_size), "N": data.draw(draw_size), "D": data.draw(draw_size), "H": data.draw(draw_size)}
    sizes["3H"], sizes["1"] = 3 * sizes["H"], 1
    axes = {
        "x": "L N D",
        "h_0": "N H",
        "weight_ih": "3H D",
        "weight_hh": "3H H",
        "bias_ih": "3H",
        "bias_hh": "3H",
        "decay": data.draw(st.sampled_from(["L N H", "L N 1"])),
        "lengths": "N",
        "resets": "L N",
    }
    given: Arguments = {}
    for name, letters in axes.items():
        if name in ("bias_ih", "bias_hh", "decay", "lengths", "resets") and data.draw(st.booleans()):
            given[name] = None
            continue
        shape = [sizes[letter] for letter in letters.split()]
        match data.draw(st.integers(0, 30)):
            case 0:
                shape[0] += data.draw(st.sampled_from([-1, 1])) if shape[0] else 1
            case 1:
                shape[-1] += 1
            case 2:
                shape = shape[:-1]
            case 3:
                shape = [2, *shape]
        dtype = {"lengths": torch.int64, "resets": torch.bool}.get(name, torch.float64)
        if data.draw(st.integers(0, 30)) == 0:
            dtype = data.draw(
                st.sampled_from([torch.float32, torch.bfloat16, torch.int32, torch.uint8, torch.complex64])
            )
        value = draw(*shape, seed=data.draw(st.integers(0, 3)))
        if name == "lengths":
            value = value.abs() * data.draw(st.sampled_from([0.0, 1.0, 2.0, -1e3, 1e18]))
            value = (
                value if abs(float(value.abs().max() if value.numel() else 0)) > 1e3 else value.clamp(max=sizes["L"])
            )
        if name == "resets":
            value = value > 0.5
        if value.dim() and value.numel():
            value = data.draw(st.sampled_from(LAYOUTS))(value.to(dtype))
        given[name] = value.to(dtype)
    reset, reverse = data.draw(st.sampled_from(["before", "after"])), data.draw(st.booleans())
    try:
        results = torch.ops.penstock.gru(*flat(given, reset, reverse), True, True)
    except (ValueError, TypeError) as error:
        said = str(error)
        assert re.match(rf"({'|'.join(NAMES)}): expected [^\n]*$", said)
        return
    tensors = [None if given[name] is None else given[name].detach().requires_grad_() for name in NAMES[:7]]
    lengths, resets = given["lengths"], given["resets"]
    call = Call(*tensors[:6], reset, lengths, resets, tensors[6], reverse, return_gates=True)  # type: ignore[arg-type]
    expected = composite.run(call)
    values = [expected.output, expected.h_n, *(expected.gates or ())]
    for ours, right in zip(results, values, strict=False):
        torch.testing.assert_close(ours, right.detach(), rtol=1e-11, atol=1e-12)
    grads = [draw(*value.shape, seed=k) for k, value in enumerate(values)]
    wanted = [tensor for tensor in tensors if tensor is not None]
    gradients = torch.autograd.grad(values, wanted, grads, allow_unused=True)
    needed = [tensor is not None for tensor in tensors]
    kept = [*results[2:5], results[5] if reset == "after" else None]
    found = torch.ops.penstock.gru_backward(*flat(given, reset, reverse), results[0], *kept, *grads, needed)
    for ours, right, tensor in zip(
        [f for f, need in zip(found, needed, strict=True) if need], gradients, wanted, strict=True
    ):
        torch.testing.assert_close(ours, torch.zeros_like(tensor) if right is None else right, rtol=1e-9, atol=1e-10)
