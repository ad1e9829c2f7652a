"""Weights say which form they are of, and never become the other function in silence, whichever way they come."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import accelerate
import pytest
import safetensors.torch
import torch
import torch.distributed.checkpoint
import torch.distributed.tensor
from accelerate.utils import set_module_tensor_to_device
from torch import nn
from torch.func import functional_call
from torch.nn.utils import parametrizations

from penstock import GRU, GRUCell

Make = Callable[[str], Any]
State = dict[str, torch.Tensor]

OTHER = {"before": "after", "after": "before"}


def gru(form: str) -> GRU:
    return GRU(2, 3, 2, reset=form)


def cell(form: str) -> GRUCell:
    return GRUCell(2, 3, reset=form)


def x_of(module: nn.Module) -> torch.Tensor:
    return torch.linspace(-1, 1, 16).view(4, 2, 2) if isinstance(module, GRU) else torch.linspace(-1, 1, 4).view(2, 2)


def run(module: nn.Module) -> torch.Tensor:
    output = module(x_of(module))
    return output[0] if isinstance(output, tuple) else output


def parameters(module: nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in module.parameters()]


both = pytest.mark.parametrize("make", [gru, cell])


@both
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("assign", [True, False])
def test_the_other_forms_state_is_refused_and_changes_nothing(
    make: Make, reset: str, strict: bool, assign: bool
) -> None:
    module = make(reset)
    before = parameters(module)
    for state in (make(OTHER[reset]).state_dict(), dict(make(OTHER[reset]).named_parameters())):
        message = f'this module is reset="{reset}", the saved state is of reset="{OTHER[reset]}"'
        with pytest.raises(RuntimeError, match=message):
            module.load_state_dict(state, strict=strict, assign=assign)
    assert all(torch.equal(a, b) for a, b in zip(before, parameters(module), strict=True))


@both
@pytest.mark.parametrize("assign", [True, False])
def test_the_same_forms_state_loads(make: Make, reset: str, assign: bool) -> None:
    first = make(reset)
    for state in (first.state_dict(), dict(first.named_parameters()), copy.deepcopy(first).state_dict()):
        second = make(reset)
        assert not any(second.load_state_dict(state, assign=assign))
        assert torch.equal(run(first), run(second))


def test_torchs_state_is_after_and_no_other() -> None:
    for theirs, ours in ((nn.GRU(2, 3, 2), gru), (nn.GRUCell(2, 3), cell)):
        for state in (theirs.state_dict(), dict(theirs.named_parameters())):
            ours("after").load_state_dict(state)
            with pytest.raises(
                RuntimeError, match=r'is not marked, as torch.nn.GRU\'s are not, which makes it reset="a'
            ):
                ours("before").load_state_dict(state)


def test_inside_a_model_the_error_names_the_module() -> None:
    model, other = (nn.Sequential(nn.Linear(2, 2), gru(form)) for form in ("before", "after"))
    with pytest.raises(RuntimeError, match=r'1: this module is reset="before"'):
        model.load_state_dict(other.state_dict())


@both
def test_the_mark_is_an_ordinary_buffer(make: Make, reset: str) -> None:
    module = make(reset)
    assert module.state_dict()["reset_after"].dtype == torch.float32
    assert [name for name, _ in module.named_buffers()] == ["reset_after"]
    assert not any("reset" in name for name, _ in module.named_parameters())


def fedavg(a: State, b: State) -> State:
    average = {name: value.clone() for name, value in a.items()}
    for name in average:
        average[name] += b[name]
        average[name] = torch.div(average[name], 2)
    return average


def ema(a: State, b: State) -> State:
    for name, value in a.items():
        for _ in range(5000):
            value.mul_(0.999).add_(b[name], alpha=0.001)
    return a


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "average",
    [
        fedavg,
        ema,
        lambda a, b: {name: (a[name] + b[name]) * 0.5 for name in a},
        lambda a, b: {name: torch.stack([a[name], b[name]]).mean(0) for name in a},
        lambda a, b: {name: a[name] + 0.7 * (a[name] - b[name]) for name in a},
        lambda a, b: {name: torch.lerp(a[name], b[name], 0.3) for name in a},
    ],
)
def test_averages_of_one_form_are_of_that_form(
    make: Make, reset: str, average: Callable[[State, State], State], dtype: torch.dtype
) -> None:
    states = [make(reset).to(dtype).state_dict() for _ in range(2)]
    found = average(*states)
    module = make(reset).to(dtype)
    module.load_state_dict(found)
    assert module.reset_after == (reset == "after")  # exact again
    with pytest.raises(RuntimeError, match=f'the saved state is of reset="{reset}"'):
        make(OTHER[reset]).to(dtype).load_state_dict(found)


@both
def test_a_mixture_of_both_forms_is_no_form(make: Make, reset: str) -> None:
    mixed = fedavg(make(reset).state_dict(), make(OTHER[reset]).state_dict())
    with pytest.raises(RuntimeError, match=rf'reset_after: expected \d.0, which is reset="{reset}", got 0.5, which is'):
        make(reset).load_state_dict(mixed)
    module = make(reset)
    module.reset_after.fill_(torch.nan)
    with pytest.raises(RuntimeError, match=r"got nan, which is no form"):
        run(module)


def test_averages_that_torch_makes(reset: str) -> None:
    module = gru(reset)
    for average in (
        torch.optim.swa_utils.AveragedModel(module, use_buffers=True),
        torch.optim.swa_utils.AveragedModel(
            module, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True
        ),
    ):
        for _ in range(20):
            average.update_parameters(module)
        torch.testing.assert_close(run(average.module), run(module))
        gru(reset).load_state_dict(average.module.state_dict())


@both
def test_a_functional_call_takes_its_own_forms_state_alone(make: Make, reset: str) -> None:
    module, other, same = make(reset), make(OTHER[reset]), make(reset)
    x = (x_of(module),)
    for strict in (True, False):
        found = functional_call(module, same.state_dict(), x, strict=strict)
        assert torch.equal(found[0] if isinstance(found, tuple) else found, run(same))
        with pytest.raises(
            RuntimeError, match=f'this module is reset="{reset}", its weights are of reset="{OTHER[reset]}'
        ):
            functional_call(module, other.state_dict(), x, strict=strict)
    functional_call(module, dict(same.named_parameters()), x)
    run(module)


def test_transforms_of_functional_calls_too(reset: str) -> None:
    def call(module: GRU) -> Callable[..., torch.Tensor]:
        return lambda *state: functional_call(module, state, x)[0].sum()

    x = torch.randn(4, 2, 2)
    modules = [gru(reset) for _ in range(3)]
    state = torch.func.stack_module_state(modules)
    skeleton, wrong = (gru(form).to("meta") for form in (reset, OTHER[reset]))
    together = torch.vmap(torch.func.grad(call(skeleton)), (0, 0))(*state)
    for k, module in enumerate(modules):
        alone = torch.autograd.grad(module(x)[0].sum(), list(module.parameters()))
        for name, gradient in zip(together, alone, strict=True):
            torch.testing.assert_close(together[name][k], gradient)
    for transform in (torch.vmap, lambda f: torch.vmap(torch.func.grad(f))):
        with pytest.raises(RuntimeError, match=f'its weights are of reset="{reset}"'):
            transform(call(wrong))(*state)


@both
def test_what_is_put_in_place_is_refused_by_the_next_call(make: Make, reset: str) -> None:
    module, other = make(reset), make(OTHER[reset])
    run(module)
    for name, value in other.state_dict().items():
        set_module_tensor_to_device(module, name, "cpu", value)
    for call in (run, lambda m: m.double()):
        with pytest.raises(RuntimeError, match=f'its weights are of reset="{OTHER[reset]}"'):
            call(module)
    with torch.no_grad():
        module = make(reset)
        run(module)
        for name, value in module.state_dict().items():
            value.copy_(other.state_dict()[name])
    with pytest.raises(RuntimeError, match=f'its weights are of reset="{OTHER[reset]}"'):
        run(module)


@pytest.mark.filterwarnings("ignore:torch.distributed")  # of one process
def test_a_distributed_checkpoint(reset: str, tmp_path: Any) -> None:
    saved, same, other = gru(reset), gru(reset), gru(OTHER[reset])
    torch.distributed.checkpoint.save(saved.state_dict(), checkpoint_id=tmp_path / "saved", no_dist=True)
    for module in (same, other):
        state = module.state_dict()
        torch.distributed.checkpoint.load(state, checkpoint_id=tmp_path / "saved", no_dist=True)
        if module is same:
            module.load_state_dict(state)
            assert torch.equal(run(same), run(saved))
        else:
            with pytest.raises(RuntimeError, match=f'the saved state is of reset="{reset}"'):
                module.load_state_dict(state)
            with pytest.raises(RuntimeError, match=f'its weights are of reset="{reset}"'):
                run(module)


def test_a_state_in_pieces(reset: str) -> None:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
        saved, same, other = (
            torch.distributed.tensor.distribute_module(gru(form), mesh) for form in (reset, reset, OTHER[reset])
        )
        state = saved.state_dict()
        assert type(state["reset_after"]) is not torch.Tensor
        same.load_state_dict(state)
        with pytest.raises(RuntimeError, match=f'the saved state is of reset="{reset}"'):
            other.load_state_dict(state)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("buffers", [True, False])
def test_accelerate(reset: str, buffers: bool, tmp_path: Any) -> None:
    saved = gru(reset)
    safetensors.torch.save_file(saved.state_dict(), tmp_path / "saved.safetensors", {"format": "pt"})
    with accelerate.init_empty_weights(include_buffers=buffers):
        empty = [gru(reset), gru(OTHER[reset])]
    for module in empty:
        accelerate.load_checkpoint_in_model(module, str(tmp_path / "saved.safetensors"), {"": "cpu"})
    assert torch.equal(run(empty[0]), run(saved))
    with pytest.raises(RuntimeError, match=f'its weights are of reset="{reset}"'):
        run(empty[1])


@both
def test_neither_type_nor_place_nor_emptiness_changes_the_mark(make: Make, reset: str) -> None:
    mark = float(reset == "after")
    module = make(reset)
    for change in (module.half, module.bfloat16, module.double, module.float, module.share_memory):
        assert change().reset_after == mark
        module.load_state_dict(module.state_dict())
        run(module.float())
    with torch.device("meta"):
        empty = make(reset)
    assert empty.reset_after.is_meta
    empty.to_empty(device="cpu").reset_parameters()
    assert empty.reset_after == mark
    run(empty)
    again = make(reset)
    again.to_empty(device="cpu")
    with torch.device("meta"):
        assigned = make(reset)
    assigned.load_state_dict(module.state_dict(), assign=True)
    assert torch.equal(run(assigned), run(module))
    with torch.inference_mode():
        module = make(reset)
        assert torch.equal(run(module), run(module))
    made = nn.utils.skip_init(GRU, 2, 3, reset=reset)
    assert made.reset_after == mark


@both
def test_copies_and_files_keep_it(make: Make, reset: str) -> None:
    module = make(reset)
    run(module)
    file = io.BytesIO()
    torch.save(dict(module.named_parameters()), file)
    file.seek(0)
    make(reset).load_state_dict(torch.load(file, weights_only=True))
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), module._replicate_for_data_parallel()):
        if other._parameters:
            make(reset).load_state_dict(dict(other.named_parameters()))
        other.reset_after = other.reset_after.clone()
        run(module)
    deep = copy.deepcopy(module)
    deep.reset_after.fill_(float(reset == "before"))
    with pytest.raises(RuntimeError, match=f'this module is reset="{reset}"'):
        run(deep)


def test_a_parametrized_weight_is_a_weight() -> None:
    first, second = GRU(2, 3, reset="after"), GRU(2, 3, reset="before")
    for module in (first, second):
        parametrizations.weight_norm(module, "weight_hh_l0")
    first.load_state_dict(first.state_dict())
    with pytest.raises(RuntimeError, match=r'this module is reset="before", the saved state is of reset="after"'):
        second.load_state_dict(first.state_dict())
    unmarked = {name: value for name, value in first.state_dict().items() if "parametrizations.weight_" in name}
    with pytest.raises(RuntimeError, match=r"is not marked"):
        second.load_state_dict(unmarked, strict=False)


def test_missing_weights_are_still_missing() -> None:
    state = nn.GRU(2, 3).state_dict()
    del state["bias_hh_l0"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "bias_hh_l0"\. $'):
        GRU(2, 3, reset="after").load_state_dict(state)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: .*"reset_after"'):
        GRU(2, 3, reset="after").load_state_dict({})
    assert GRU(2, 3).load_state_dict({}, strict=False).missing_keys[-1] == "reset_after"


def test_marks_of_other_kinds_are_read() -> None:
    weights = dict(gru("before").named_parameters())
    for mark in (
        torch.tensor(False),
        torch.zeros(1),
        torch.zeros((), dtype=torch.float64),
        torch.zeros((), device="meta"),
    ):
        module = gru("before")
        module.load_state_dict({**weights, "reset_after": mark})
        assert module.reset_after.dtype == torch.float32
        run(module)
