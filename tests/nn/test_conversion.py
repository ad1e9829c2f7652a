"""To torch's modules and back: shared, normed and pruned weights become what they are worth."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from penstock import GRU, GRUCell

D, H = 3, 5
X = torch.linspace(-1, 1, 36).view(6, 2, D)


def test_there_and_back_with_torch() -> None:
    torch.manual_seed(0)
    theirs = nn.GRU(D, H, 2, dropout=0.1, bidirectional=True, batch_first=True, dtype=torch.float64).eval()
    theirs.weight_hh_l0.requires_grad_(False)
    back = GRU.from_torch(theirs).to_torch()
    assert type(back) is nn.GRU
    assert [p.requires_grad for p in back.parameters()] == [p.requires_grad for p in theirs.parameters()]
    assert repr(back) == repr(theirs)
    assert not back.training
    assert not {id(p) for p in back.parameters()} & {id(p) for p in theirs.parameters()}
    x = X.double().transpose(0, 1)
    assert torch.equal(back(x)[0], theirs(x)[0])


@pytest.mark.parametrize("bias", [False, True])
def test_a_cell_there_and_back(bias: bool) -> None:
    theirs = nn.GRUCell(D, H, bias, dtype=torch.float64).eval()
    ours = GRUCell.from_torch(theirs)
    back = ours.to_torch()
    assert type(back) is nn.GRUCell
    assert repr(back) == repr(theirs)
    assert not ours.training
    torch.testing.assert_close(ours(X[0].double()), theirs(X[0].double()), rtol=1e-13, atol=1e-14)
    assert torch.equal(back(X[0].double()), theirs(X[0].double()))


def test_what_cannot_be_converted_is_refused() -> None:
    with pytest.raises(TypeError, match=r"module: expected a torch.nn.GRU, got LSTM\(3, 5\)"):
        GRU.from_torch(nn.LSTM(D, H))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"module: expected a torch.nn.GRU, got GRU\(3, 5, reset='before'\)"):
        GRU.from_torch(GRU(D, H))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"module: expected a torch.nn.GRUCell, got LSTMCell\(3, 5\)"):
        GRUCell.from_torch(nn.LSTMCell(D, H))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r'torch.nn.GRU computes reset="after" alone, this is reset="before"'):
        GRU(D, H).to_torch()
    with pytest.raises(ValueError, match=r'torch.nn.GRUCell computes reset="after" alone, this is reset="before"'):
        GRUCell(D, H).to_torch()
    assert torch.equal(GRU.from_torch(again := GRU(D, H, reset="after"))(X)[0], again(X)[0])  # type: ignore[arg-type]


def tied(module: Any) -> Any:
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        for layer in (1, 2):
            setattr(module, f"{name}_l{layer}", getattr(module, f"{name}_l0"))
    return module


def test_layers_that_share_their_weights_still_do() -> None:
    theirs, ours = tied(nn.GRU(H, H, 3)), tied(GRU(H, H, 3, reset="after"))
    ours.load_state_dict(theirs.state_dict())
    x = torch.linspace(-1, 1, 40).view(4, 2, H)
    expected = theirs(x)[0]
    for module in (ours, GRU.from_torch(theirs), ours.to_torch()):
        torch.testing.assert_close(module(x)[0], expected)
        assert len(list(module.parameters())) == 4
        assert module.weight_hh_l2 is module.weight_hh_l0


KINDS: dict[str, Callable[[nn.Module, str], Any]] = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "weight_norm by a hook": weight_norm,
    "spectral_norm by a hook": spectral_norm,
    "pruned": lambda m, name: prune.l1_unstructured(m, name, 0.5),
    "pruned twice": lambda m, name: prune.random_unstructured(prune.l1_unstructured(m, name, 0.3), name, 0.3),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_weights_that_are_computed(kind: str, cell: bool, training: bool) -> None:
    torch.manual_seed(0)
    x, suffix = (X[0], "") if cell else (X, "_l0")
    theirs, ours = (
        (nn.GRUCell(D, H), GRUCell(D, H, reset="after")) if cell else (nn.GRU(D, H), GRU(D, H, reset="after"))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about its older ways
        for module in (theirs, ours):
            for name in ("weight_hh", "weight_ih"):
                KINDS[kind](module, name + suffix)
            module.train(training)
            for parameter in module.parameters():  # as an optimizer's step does, after which a hook's weight is stale
                parameter.data.mul_(1.25)
    for source, converted in ((theirs, type(ours).from_torch(theirs)), (ours, ours.to_torch())):
        assert len(list(converted.parameters())) == 4
        assert all(parameter.requires_grad for parameter in converted.parameters())
        if not (training and kind.startswith("spectral")):  # there each call moves the weights on
            torch.testing.assert_close(converted(x), source(x))
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_plain_weights_for_a_normed_module_are_missing_as_torch_says() -> None:
    normed = parametrizations.weight_norm(GRU(D, H, reset="after"), "weight_hh_l0")
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "parametrizations.weight_hh_l0'):
        normed.load_state_dict(nn.GRU(D, H).state_dict())
