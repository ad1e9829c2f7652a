"""PyTorch's own tests of modules, with its inputs for nn.GRU and nn.GRUCell, run on reset="after".

The inputs come inside the torch package (``torch.testing._internal``), the tests, ``test/test_modules.py`` of its
repository, do not: what they check is checked here, in the same order. ``SAID``, ``OF_ANOTHER_TYPE`` and
``AT_THE_CONSTRUCTOR`` list where Penstock answers otherwise, and why.
"""

import copy
import io
import itertools
import pickle
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from helpers import draw
from hypothesis import settings
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_leaves, tree_map

from penstock import GRU, GRUCell

# This import chooses Hypothesis's settings and locks the flags of torch's backends, for the whole process: put back.
profile = settings.get_current_profile_name()
from torch.testing._internal.common_modules import ErrorModuleInput, ModuleErrorEnum, ModuleInput, module_db  # noqa: E402

settings.load_profile(profile)
setattr(torch.backends, "__allow_nonbracketed_mutation_flag", True)

OURS: dict[type[nn.Module], type[Any]] = {nn.GRU: GRU, nn.GRUCell: GRUCell}
INFOS = {info.name: info for info in module_db if info.module_cls in OURS}

SAID = {
    "hidden_size must be greater than zero": "hidden_size: expected a positive integer, got 0",
    "num_layers must be greater than zero": "num_layers: expected a positive integer, got 0",
    "input_size must be greater than zero": "input_size: expected a positive integer, got ",
    "RNN input dtype .* does not match weight dtype": "input: expected torch.",
    "bias should be of type bool": "bias: expected True or False, got ",
    "batch_first should be of type bool": "batch_first: expected True or False, got ",
    "input_size should be of type int": "input_size: expected a positive integer, got ",
    "hidden_size should be of type int": "hidden_size: expected a positive integer, got ",
    "input has inconsistent input_size": "input: expected (N, D=10), got (3, 11)",
    "hidden0 has inconsistent hidden_size": "hx: expected (N=3, H=20), got (3, 21)",
    "Input batch size 3 doesn't match hidden0 batch": "hx: expected (N=3, H=20), got (5, 20)",
    "Expected hidden to be 1D or 2D": "hx: expected (N=3, H=20), got (3, 1, 1, 20)",
}
"""How torch's words begin, and what is said here: the argument, what was expected, what came."""
OF_ANOTHER_TYPE = {
    "RNN input dtype .* does not match weight dtype": TypeError,  # a wrong type is one everywhere, torch: ValueError
    "input has inconsistent input_size": ValueError,  # a wrong shape is one everywhere, torch: RuntimeError
    "hidden0 has inconsistent hidden_size": ValueError,
    "Input batch size 3 doesn't match hidden0 batch": ValueError,
}
AT_THE_CONSTRUCTOR = {
    # The third argument of a cell is bias. Torch does not look at it there, and takes a word for true.
    (10, 20, "relu"): "bias: expected True or False, got 'relu'",
    (10, 20, "tanh"): "bias: expected True or False, got 'tanh'",
}

Made = tuple[nn.Module, nn.Module, ModuleInput]


def pairs(name: str, training: bool = False, **options: Any) -> Iterator[Made]:
    """For each of torch's inputs: ours and torch's module with the same weights."""
    torch.manual_seed(0)
    info = INFOS[name]
    given: dict[str, Any] = {"dtype": torch.float64, "requires_grad": True, **options}
    inputs = info.module_inputs_func(info, device="cpu", training=training, **given)
    packed = {"with_packed_sequence": True} if name == "nn.GRU" else {}
    inputs += info.module_inputs_func(info, device="cpu", training=training, **given, **packed)[len(inputs) :]
    assert inputs
    for each in inputs:
        arguments, keywords = each.constructor_input.args, each.constructor_input.kwargs
        theirs = info.module_cls(*arguments, **keywords, dtype=given["dtype"]).train(training)
        ours = OURS[info.module_cls](*arguments, **keywords, dtype=given["dtype"], reset="after").train(training)
        ours.load_state_dict(theirs.state_dict())
        yield ours, theirs, each


def call(module: nn.Module, each: ModuleInput) -> Any:
    return module(*each.forward_input.args, **each.forward_input.kwargs)


def tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


def weighed(values: Sequence[Tensor]) -> Tensor:
    """A number in which every element counts, each by a weight of its own."""
    return torch.stack([(value * draw(*value.shape, seed=k)).sum() for k, value in enumerate(values)]).sum()


def close(mine: Any, other: Any) -> None:
    mine, other = tree_leaves(mine), tree_leaves(other)
    assert len(mine) == len(other)
    for a, b in zip(mine, other, strict=True):
        if isinstance(a, Tensor):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


both = pytest.mark.parametrize("name", INFOS)
modes = pytest.mark.parametrize("training", [False, True])


def test_the_inputs_are_there() -> None:
    assert sorted(INFOS) == ["nn.GRU", "nn.GRUCell"]
    assert len(list(pairs("nn.GRU"))) == 32
    assert any(isinstance(each.forward_input.args[0], PackedSequence) for _, _, each in pairs("nn.GRU"))


@both
@modes
def test_forward(name: str, training: bool) -> None:
    for ours, theirs, each in pairs(name, training):
        output = call(ours, each)
        close(output, call(theirs, each))
        if not isinstance(each.forward_input.args[0], PackedSequence):  # of which torch's reference is of a tensor
            close(output, each.reference_fn(ours, *each.forward_input.args, **each.forward_input.kwargs))


@both
def test_factory_kwargs(name: str) -> None:
    for _, theirs, each in pairs(name):
        cls = OURS[type(theirs)]
        arguments, keywords = each.constructor_input.args, each.constructor_input.kwargs
        for device, dtype in itertools.product(("cpu", "meta"), (torch.float32, torch.float64, torch.bfloat16)):
            module = cls(*arguments, **keywords, device=device, dtype=dtype)
            assert {(p.device.type, p.dtype) for p in module.parameters()} == {(device, dtype)}
        with torch.device("meta"):
            assert all(tensor.is_meta for tensor in cls(*arguments, **keywords).state_dict().values())


@both
def test_repr(name: str) -> None:
    for ours, theirs, _ in pairs(name):
        assert isinstance(repr(ours), str)
        assert isinstance(str(ours), str)
        assert ours.extra_repr().startswith(theirs.extra_repr().split(",")[0])


@both
@modes
def test_pickle_save_and_copy(name: str, training: bool) -> None:
    for ours, _, each in pairs(name, training):
        file = io.BytesIO()
        torch.save(ours, file)
        file.seek(0)
        others = [pickle.loads(pickle.dumps(ours)), torch.load(file, weights_only=False), copy.deepcopy(ours)]
        for other in others:
            assert type(other) is type(ours)
            assert other.training == training
            close(call(other, each), call(ours, each))


@both
def test_non_contiguous_input(name: str) -> None:
    def apart(value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.dim():
            return value
        return torch.stack([value, torch.full_like(value, torch.nan)], dim=-1).detach()[..., 0].requires_grad_()

    for ours, theirs, each in pairs(name):
        if isinstance(each.forward_input.args[0], PackedSequence):
            continue
        given = [tree_map(apart, each.forward_input.args), each.forward_input.args]
        found = []
        for module, arguments in itertools.product((ours, theirs), given):
            output = module(*arguments)
            wanted = [*tensors(arguments), *module.parameters()]
            found.append([output, torch.autograd.grad(weighed(tensors(output)), wanted)])
        for other in found[1:]:
            close(found[0], other)


@both
@modes
def test_grad_and_gradgrad(name: str, training: bool) -> None:
    """Torch's test differentiates by small steps; here it is enough that they are torch's, which it has tested."""
    for ours, theirs, each in pairs(name, training):
        found = []
        for module in (ours, theirs):
            wanted = [*tensors(each.forward_input.args), *module.parameters()]
            first = torch.autograd.grad(weighed(tensors(call(module, each))), wanted, create_graph=True)
            second = torch.autograd.grad(weighed(first), wanted)
            found.append([first, second])
        close(*found)


@both
def test_train_and_eval_differ_where_there_is_dropout_alone(name: str) -> None:
    for ours, _, each in pairs(name):
        close(call(ours.train(), each), call(ours.eval(), each))


@both
def test_memory_format(name: str) -> None:
    for ours, _, each in pairs(name):
        expected = call(ours, each)
        for memory_format in (torch.contiguous_format, torch.preserve_format):
            close(call(ours.to(memory_format=memory_format), each), expected)


@both
@pytest.mark.parametrize("swap", [False, True])
def test_to(name: str, swap: bool) -> None:
    torch.__future__.set_swap_module_params_on_conversion(swap)
    try:
        for ours, theirs, each in pairs(name):
            before = list(ours.parameters())
            ours.to(torch.float32).to(torch.float64)
            if swap:
                assert [id(p) for p in before] == [id(p) for p in ours.parameters()]
            ours.load_state_dict(theirs.state_dict())
            close(call(ours, each), call(theirs, each))
            ours.to("meta").to_empty(device="cpu").load_state_dict(theirs.state_dict())
            close(call(ours, each), call(theirs, each))
            type(ours)(*each.constructor_input.args, **each.constructor_input.kwargs, reset="after").load_state_dict(
                dict(ours.named_parameters())
            )
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def errors(name: str) -> list[ErrorModuleInput]:
    info = INFOS[name]
    return info.module_error_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=False, training=False)


@pytest.mark.parametrize(("name", "each"), [(name, each) for name in INFOS for each in errors(name)])
def test_errors(name: str, each: ErrorModuleInput) -> None:
    constructor, forward = each.module_error_input.constructor_input, each.module_error_input.forward_input
    cls = OURS[INFOS[name].module_cls]
    if constructor.args in AT_THE_CONSTRUCTOR:
        with pytest.raises(TypeError, match=re.escape(AT_THE_CONSTRUCTOR[constructor.args])):
            cls(*constructor.args, **constructor.kwargs, reset="after")
        return
    torchs = next(words for words in SAID if re.match(re.escape(words), each.error_regex) or words in each.error_regex)
    error = OF_ANOTHER_TYPE.get(torchs, each.error_type)
    said = re.escape(SAID[torchs])
    if each.error_on == ModuleErrorEnum.CONSTRUCTION_ERROR:
        with pytest.raises(error, match=said):
            cls(*constructor.args, **constructor.kwargs, reset="after")
        return
    module = cls(*constructor.args, **constructor.kwargs, reset="after")
    with pytest.raises(error, match=said):
        module(*forward.args, **forward.kwargs)


def test_every_difference_is_one() -> None:
    """Nothing is listed that torch's inputs do not ask."""
    asked = [each.error_regex for name in INFOS for each in errors(name)]
    assert all(any(words in regex for regex in asked) for words in SAID)
    assert set(OF_ANOTHER_TYPE) <= set(SAID)
    made = [each.module_error_input.constructor_input.args for name in INFOS for each in errors(name)]
    assert set(AT_THE_CONSTRUCTOR) <= set(made)
