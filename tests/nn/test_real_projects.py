"""What real projects ask of the torch.nn.GRU that they hold, asked of penstock.GRU."""

import abc
import copy
from typing import Any

import pytest
import torch
from torch import nn

import penstock
from penstock import GRU

D, H = 3, 5


def pair(**options: Any) -> list[Any]:
    theirs = nn.GRU(D, H, **options)
    return [GRU.from_torch(theirs), theirs]


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False, "num_layers": 3}])
def test_every_attribute_is_torchs(options: dict[str, Any]) -> None:
    ours, theirs = pair(**options)
    names = "mode input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size"
    for name in (*names.split(), "_all_weights", "_flat_weights_names", "training"):
        assert getattr(ours, name) == getattr(theirs, name), name
        assert type(getattr(ours, name)) is type(getattr(theirs, name)), name
    for mine, other in zip(ours.all_weights, theirs.all_weights, strict=True):
        assert len(mine) == len(other)
        assert all(torch.equal(a, b) for a, b in zip(mine, other, strict=True))
    assert [id(w) for w in ours._flat_weights] == [id(getattr(ours, name)) for name in theirs._flat_weights_names]
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert ours.extra_repr() == theirs.extra_repr() + ", reset='after'"
    for name in dir(theirs):  # what torch's has beyond these is how it works inside
        inside = name.startswith("__") or name in INSIDE
        assert inside or hasattr(ours, name), name


INSIDE = {
    "_flat_weight_refs",
    "_init_flat_weights",
    "_update_flat_weights",
    "_weights_have_changed",
    "check_forward_args",
    "check_hidden_size",
    "check_input",
    "get_expected_hidden_size",
    "permute_hidden",
}


def test_speechbrain(reset: str) -> None:
    """Flattens before each call, names hx, and multiplies tensors for a size."""
    gru = GRU(D, H, 2, dropout=0.1, bidirectional=True, batch_first=True, reset=reset)
    assert gru.flatten_parameters() is None
    output, hn = gru(torch.randn(2, 4, D), hx=torch.randn(4, 2, H))
    assert output.shape == (2, 4, 2 * H)
    cell = penstock.GRUCell(input_size=torch.prod(torch.tensor([D])), hidden_size=H, reset=reset)  # type: ignore[arg-type]
    assert cell(torch.randn(2, D), hn[0]).shape == (2, H)


def test_deep_filter_net(reset: str) -> None:
    """Groups of layers: each reads a slice of the features and a slice of the states."""
    groups = nn.ModuleList(GRU(2, H, batch_first=True, reset=reset) for _ in range(3))
    x, states = torch.randn(2, 4, 6), torch.randn(3, 2, H)
    for k, gru in enumerate(groups):
        part, state = x[..., 2 * k : 2 * k + 2], states[k : k + 1].detach()
        for mine, other in zip(gru(part, state), gru(part.contiguous(), state.clone()), strict=True):
            assert torch.equal(mine, other)


def test_joey_nmt(reset: str) -> None:
    """Draws each gate's recurrent matrix anew, by ``all_weights``, and biases by name."""
    gru = GRU(D, H, 2, reset=reset)
    for _, weight_hh, *biases in gru.all_weights:
        for gate in weight_hh.data.split(gru.hidden_size):
            nn.init.orthogonal_(gate)
        for bias in biases:
            nn.init.zeros_(bias)
    for layer in range(2):
        for gate in getattr(gru, f"weight_hh_l{layer}").detach().view(3, H, H):
            torch.testing.assert_close(gate @ gate.T, torch.eye(H))
    assert not any(p.any() for name, p in gru.named_parameters() if name.startswith("bias"))


def test_torch_rl(reset: str) -> None:
    """Asks a given layer for its layout and sizes, and walks over the names of its weights."""
    gru = GRU(D, H, 2, batch_first=True, reset=reset)
    assert gru.batch_first
    assert not gru.bidirectional
    weights = [[getattr(gru, name) for name in names] for names in gru._all_weights]
    assert [w.shape for w in weights[1]] == [(3 * H, H), (3 * H, H), (3 * H,), (3 * H,)]
    output, h_n = gru(torch.randn(2, 1, D), torch.zeros(gru.num_layers, 2, gru.hidden_size))
    assert output.shape == (2, 1, H)
    assert h_n.shape == (2, 2, H)


class ZeroLengths(abc.ABC):
    """What stands before the layer in the order of classes."""

    @abc.abstractmethod
    def named(self) -> str: ...

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> Any:
        if lengths is None:
            return super().forward(x, hx=hx)  # type: ignore[misc]
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=self.batch_first, enforce_sorted=False)  # type: ignore[attr-defined]
        output, h_n = super().forward(packed, hx=hx)  # type: ignore[misc]
        return nn.utils.rnn.pad_packed_sequence(output, batch_first=self.batch_first)[0], h_n  # type: ignore[attr-defined]


class Flexible(ZeroLengths, GRU):
    def named(self) -> str:
        return self.mode


def test_pytorch_forecasting(reset: str) -> None:
    """Derives a class of its own, an abstract one before it, whose forward takes lengths and packs."""
    gru = Flexible(D, H, 2, batch_first=True, reset=reset)
    assert isinstance(gru, nn.GRU) == (reset == "after")
    assert (gru.named(), gru.proj_size) == ("GRU", 0)
    x, hx, lengths = torch.randn(2, 4, D), torch.randn(2, 2, H), torch.tensor([2, 4])
    for mine, other in zip(gru(x, hx, lengths), GRU.forward(gru, x, hx, lengths=lengths), strict=True):
        torch.testing.assert_close(mine, other)
    assert torch.equal(copy.deepcopy(gru)(x, hx)[0], gru(x, hx)[0])


def test_initialisers_and_replacements_by_type() -> None:
    model = nn.ModuleDict({"after": GRU(D, H, reset="after"), "before": GRU(D, H), "linear": nn.Linear(D, H)})

    def initialise(module: nn.Module) -> None:
        if isinstance(module, nn.GRU | nn.Linear):
            for parameter in module.parameters():
                nn.init.zeros_(parameter)

    model.apply(initialise)
    assert [any(p.any() for p in module.parameters()) for module in model.values()] == [False, True, False]


def test_weights_that_others_put_in_place(reset: str) -> None:
    """Weight drop puts a tensor where the parameter was; others write ``_flat_weights``."""
    gru, x = GRU(D, H, reset=reset), torch.randn(4, 2, D)
    raw = gru.weight_hh_l0
    del gru._parameters["weight_hh_l0"]
    gru.register_parameter("weight_hh_l0_raw", nn.Parameter(raw.data))
    gru.weight_hh_l0 = gru.weight_hh_l0_raw * 0
    without = copy.deepcopy(raw) * 0
    names = ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0")
    w_ih, b_ih, b_hh = (getattr(gru, name) for name in names)
    expected, _ = penstock.gru(x, None, w_ih, without, b_ih, b_hh, reset=reset)
    torch.testing.assert_close(gru(x)[0], expected)
    other = GRU(D, H, reset=reset)
    other._flat_weights = [nn.Parameter(weight * 0) for weight in other._flat_weights]
    assert not any(parameter.any() for parameter in other.parameters())
    other._flat_weights = [getattr(other, name) for name in other._flat_weights_names]
    assert len(list(other.parameters())) == 4
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        other._flat_weights = []
    with pytest.raises(TypeError, match=r"cannot assign"):
        other._flat_weights = [weight.detach().clone() for weight in other._flat_weights]
