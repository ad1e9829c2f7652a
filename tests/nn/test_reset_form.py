"""A saved state says which form it is of, and never becomes the other function in silence."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from penstock import GRU, GRUCell


def parameters(module: nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in module.parameters()]


@pytest.mark.parametrize("make", [lambda form: GRU(2, 3, 2, reset=form), lambda form: GRUCell(2, 3, reset=form)])
@pytest.mark.parametrize(("saved", "loading"), [("before", "after"), ("after", "before")])
@pytest.mark.parametrize("strict", [True, False])
def test_the_other_forms_state_is_refused_and_changes_nothing(
    make: Callable[[str], nn.Module], saved: str, loading: str, strict: bool
) -> None:
    module = make(loading)
    before = parameters(module)
    message = f'this module is reset="{loading}", the saved state is of reset="{saved}"'
    with pytest.raises(RuntimeError, match=message):
        module.load_state_dict(make(saved).state_dict(), strict=strict)
    assert all(torch.equal(a, b) for a, b in zip(before, parameters(module), strict=True))


def test_the_same_forms_state_loads(reset: str) -> None:
    first, second = GRU(2, 3, reset=reset), GRU(2, 3, reset=reset)
    second.load_state_dict(first.state_dict())
    x = torch.randn(4, 1, 2)
    assert torch.equal(first(x)[0], second(x)[0])


def test_torchs_state_is_after_and_no_other() -> None:
    theirs = nn.GRU(2, 3)
    GRU(2, 3, reset="after").load_state_dict(theirs.state_dict())
    with pytest.raises(RuntimeError, match=r'is not marked, as torch.nn.GRU\'s are not, which makes it reset="after"'):
        GRU(2, 3, reset="before").load_state_dict(theirs.state_dict())


def test_inside_a_model_the_error_names_the_module() -> None:
    model, other = (nn.Sequential(nn.Linear(2, 2), GRU(2, 3, reset=form)) for form in ("before", "after"))
    with pytest.raises(RuntimeError, match=r'1: this module is reset="before"'):
        model.load_state_dict(other.state_dict())


def test_the_mark_follows_the_module_but_not_its_type() -> None:
    gru = GRU(2, 3, reset="after").to(torch.bfloat16)
    assert gru.state_dict()["reset_after"].dtype == torch.bool
    assert [name for name, _ in gru.named_parameters()] == [
        "weight_ih_l0",
        "weight_hh_l0",
        "bias_ih_l0",
        "bias_hh_l0",
    ]


def test_nothing_done_to_the_modules_tensors_changes_the_mark(reset: str) -> None:
    on_meta = GRU(2, 3, reset=reset, device="meta")
    assert bool(on_meta.to_empty(device="cpu").state_dict()["reset_after"]) == (reset == "after")
    gru = GRU(2, 3, reset=reset)
    gru.state_dict()["reset_after"].logical_not_()
    average = torch.optim.swa_utils.AveragedModel(gru, use_buffers=True)
    for _ in range(2):
        average.update_parameters(gru)
    GRU(2, 3, reset=reset).load_state_dict(average.module.state_dict())
    torch.func.functional_call(gru, gru.state_dict(), torch.zeros(1, 1, 2))
    GRU(2, 3, reset=reset).load_state_dict(gru.state_dict(), assign=True)


def test_a_parametrized_weight_is_a_weight() -> None:
    first, second = GRU(2, 3, reset="after"), GRU(2, 3, reset="before")
    for gru in (first, second):
        parametrizations.weight_norm(gru, "weight_hh_l0")
    first.load_state_dict(first.state_dict())
    with pytest.raises(RuntimeError, match=r'this module is reset="before", the saved state is of reset="after"'):
        second.load_state_dict(first.state_dict())
    unmarked = {name: value for name, value in first.state_dict().items() if "parametrizations.weight_" in name}
    with pytest.raises(RuntimeError, match=r"is not marked"):
        second.load_state_dict(unmarked, strict=False)


def test_missing_weights_are_still_missing() -> None:
    state = nn.GRU(2, 3).state_dict()
    del state["bias_hh_l0"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "bias_hh_l0"'):
        GRU(2, 3, reset="after").load_state_dict(state)
