"""What torch computes too is found as torch's, the other form is not, and nothing that changes classes breaks."""

import abc
import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from penstock import GRU, GRUCell
from penstock.nn.seen_as import seen_as

REGISTERED: list[type] = []


class Filter(GRU, abc.ABC):
    """A user's class, with a metaclass and a registry."""

    def __init_subclass__(cls, **options: Any) -> None:
        REGISTERED.append(cls)
        super().__init_subclass__(**options)


class LowPass(Filter):
    def __init__(self, width: int, reset: str = "before") -> None:
        super().__init__(3, width, reset=reset)


def make(reset: str) -> list[nn.Module]:
    return [GRU(3, 5, 2, bidirectional=True, reset=reset), GRUCell(3, 5, reset=reset), LowPass(5, reset)]


def x_of(module: nn.Module) -> torch.Tensor:
    return (
        torch.linspace(-1, 1, 6).view(2, 3) if isinstance(module, GRUCell) else torch.linspace(-1, 1, 24).view(4, 2, 3)
    )


def run(module: nn.Module) -> torch.Tensor:
    output = module(x_of(module))
    return output[0] if isinstance(output, tuple) else output


def test_found_by_isinstance_in_the_form_that_torch_computes() -> None:
    for after, before in zip(make("after"), make("before"), strict=True):
        torchs, others = (nn.GRUCell, nn.GRU) if isinstance(after, GRUCell) else (nn.GRU, nn.GRUCell)
        assert isinstance(after, torchs)
        assert not isinstance(after, others | nn.LSTM | nn.RNN)
        assert not isinstance(before, nn.RNNBase | nn.GRUCell)
        for module in (after, before):
            assert isinstance(module, GRUCell if torchs is nn.GRUCell else GRU)
            assert repr(module).startswith(type(module).__name__ + "(")
    model = nn.Sequential(GRU(3, 5), GRU(5, 5, reset="after"))
    assert [isinstance(m, nn.GRU) for m in model.modules()] == [False, False, True]


def test_the_class_is_its_own_all_the_same(reset: str) -> None:
    for module in make(reset):
        cls = module.__class__
        assert cls in [type(module)]
        assert {type(module): 1}[cls] == 1
        assert issubclass(cls, type(module))
        assert cls.__bases__ == type(module).__bases__
        assert (cls.__name__, cls.__qualname__, cls.__module__, cls.__doc__) == (
            type(module).__name__,
            type(module).__qualname__,
            type(module).__module__,
            type(module).__doc__,
        )
        assert module.__class__ is cls
    made = LowPass(5, reset).__class__(7)
    assert type(made) is LowPass
    assert made.reset == "before"
    derived = type("Derived", (LowPass(5, reset).__class__,), {"extra": 1})
    assert derived.__mro__[1] is LowPass
    assert {LowPass, derived} <= set(REGISTERED)
    assert not [cls for cls in REGISTERED if cls.__name__ == "LowPass" and cls is not LowPass]


def test_what_is_done_to_the_class_is_done_to_it() -> None:
    module = LowPass(5, "after")
    module.__class__.told = 3  # type: ignore[attr-defined]
    try:
        assert vars(LowPass)["told"] == 3
    finally:
        del module.__class__.told  # type: ignore[attr-defined]
    assert not hasattr(LowPass, "told")


def copied(module: nn.Module) -> list[nn.Module]:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    pickled = [pickle.loads(pickle.dumps(module, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    return [copy.copy(module), copy.deepcopy(module), *pickled, torch.load(file, weights_only=False)]


def test_copies_and_pickles_are_of_the_class(reset: str) -> None:
    for module in make(reset):
        for other in (*copied(module), module._replicate_for_data_parallel()):
            assert type(other) is type(module)
            assert isinstance(other, nn.RNNBase | nn.GRUCell) == (reset == "after")
        for other in copied(module):
            assert torch.equal(run(other), run(module))


def test_reduce_of_a_users_own(reset: str) -> None:
    module = Reduced(3, 5, reset=reset)
    again = pickle.loads(pickle.dumps(module))
    assert type(again) is Reduced
    assert again.reset == reset


class Reduced(GRU):
    """Says itself how it is made again."""

    def __reduce__(self) -> Any:
        return _reduced, (self.input_size, self.hidden_size, self.reset)


def _reduced(input_size: int, hidden_size: int, reset: str) -> Reduced:
    return Reduced(input_size, hidden_size, reset=reset)


@pytest.mark.parametrize("parametrization", [parametrizations.weight_norm, parametrizations.orthogonal])
def test_parametrizations_which_change_the_class(reset: str, parametrization: Callable[..., Any]) -> None:
    for module in make(reset):
        names = [name for name, _ in module.named_parameters()][:2]
        before = run(module)
        for name in names:
            parametrization(module, name)
        assert type(module).__name__ == f"Parametrized{type(module).__bases__[0].__name__}"
        assert isinstance(module, nn.RNNBase | nn.GRUCell) == (reset == "after")
        assert nn.GRU not in type(module).__mro__
        if parametrization is parametrizations.weight_norm:
            torch.testing.assert_close(run(module), before)
        other = copy.deepcopy(module)
        assert type(other) is type(module)
        assert torch.equal(run(other), run(module))
        normed = run(module)
        for name in names:
            parametrize.remove_parametrizations(module, name)
        assert type(module) in (GRU, GRUCell, LowPass)
        torch.testing.assert_close(run(module), normed)


def test_faces_of_classes_that_are_gone_are_let_go() -> None:
    for k in range(100):
        made = type(f"Made{k}", (GRU,), {})
        assert isinstance(made(1, 1, reset="after"), nn.GRU)
    assert seen_as.cache_info().currsize <= 64


@pytest.mark.slow
def test_compiles_and_exports_in_one_graph(reset: str) -> None:
    for module in make(reset):
        torch.compiler.reset()  # it keeps so many graphs of one function, whoever's
        for variant in (module, parametrizations.weight_norm(copy.deepcopy(module), next(iter(module._parameters)))):
            compiled = torch.compile(variant, fullgraph=True, backend="aot_eager")
            torch.testing.assert_close(compiled(x_of(module)), variant(x_of(module)))
        for strict in (True, False):
            program = torch.export.export(module, (x_of(module),), strict=strict)
            torch.testing.assert_close(program.module()(x_of(module)), module(x_of(module)))


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated")
def test_dynamic_quantization_leaves_it_as_it_is(reset: str) -> None:
    model = nn.Sequential(GRU(3, 5, reset=reset))
    quantized = torch.ao.quantization.quantize_dynamic(model, {nn.GRU, nn.Linear}, dtype=torch.qint8)
    assert type(quantized[0]) is GRU
    assert torch.equal(run(quantized), run(model))
