"""GRUs inside other people's modules: what the trace holds is what the module computed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import penstock
from penstock.look.trace import Trace


class Tagger(nn.Module):
    """Two kinds of GRU, one feeding the other, with dropout between."""

    def __init__(self) -> None:
        super().__init__()
        self.theirs = nn.GRU(5, 7, 2, bidirectional=True, batch_first=True, dropout=0.5)
        self.ours = penstock.GRU(14, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor, resets: torch.Tensor | None = None) -> torch.Tensor:
        self.below, _ = self.theirs(x)
        self.above, _ = self.ours(self.below, resets=resets)
        return self.head(self.above)


def close(got: np.ndarray, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(got, expected.detach(), rtol=0, atol=1e-6)


def test_every_layer_of_a_model_in_training() -> None:
    torch.manual_seed(0)
    model, x = Tagger(), torch.randn(3, 11, 5)
    model.head.eval()
    resets = torch.rand(3, 11) < 0.3
    trace = penstock.trace(model, (x, resets), batch_index=1)
    assert (model.training, model.theirs.training, model.head.training) == (True, True, False)
    assert not any(module._forward_pre_hooks for module in model.modules())
    model.eval()(x, resets)
    names = ["theirs.l0", "theirs.l0 reverse", "theirs.l1", "theirs.l1 reverse", "ours"]
    assert [layer.name for layer in trace.layers] == names
    assert [layer.form for layer in trace.layers] == ["after"] * 4 + ["before"]
    close(np.concatenate([layer.hidden for layer in trace.layers[2:4]], 1), model.below[1])
    close(trace.layers[4].hidden, model.above[1])
    assert (trace.layers[4].resets == resets[1].numpy()).all()
    named = penstock.trace(model, {"x": x.numpy(), "resets": resets.numpy()}, batch_index=1)
    assert (named.layers[4].hidden == trace.layers[4].hidden).all()


@pytest.mark.parametrize("make", [nn.GRU, penstock.GRU])
@pytest.mark.parametrize("batch_first", [False, True])
def test_layouts_states_and_types(make: Any, batch_first: bool) -> None:
    torch.manual_seed(0)
    gru = make(4, 6, 2, bias=False, batch_first=batch_first, dtype=torch.float64)
    x, h_0 = torch.randn(7, 3, 4, dtype=torch.float64), torch.randn(2, 3, 6, dtype=torch.float64)
    laid_out = x.transpose(0, 1) if batch_first else x
    output, h_n = gru(laid_out, h_0)
    trace = penstock.trace(gru, (laid_out, h_0), batch_index=2)
    expected = (output.transpose(0, 1) if batch_first else output)[:, 2]
    np.testing.assert_allclose(trace.layers[1].hidden, expected.detach(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(trace.layers[0].hidden[-1], h_n[0, 2].detach(), rtol=0, atol=1e-14)
    assert (trace.layers[0].h_0 == h_0[0, 2].numpy()).all()
    output, _ = gru(x[:, 0], h_0[:, 0])  # unbatched
    trace = penstock.trace(gru, {"input": x[:, 0], "hx": h_0[:, 0]})
    np.testing.assert_allclose(trace.layers[1].hidden, output.detach(), rtol=0, atol=1e-14)


def test_lengths_and_packed_sequences() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 3, 4)
    gru = penstock.GRU(4, 5)
    trace = penstock.trace(gru, {"input": x, "lengths": [6, 2, 4]}, batch_index=1)
    assert len(trace) == 2
    close(trace.layers[0].hidden, gru(x)[0][:2, 1])
    packed = pack_padded_sequence(x, torch.tensor([6, 2, 4]), enforce_sorted=False)
    same = penstock.trace(gru, packed, batch_index=1)
    assert (same.layers[0].hidden == trace.layers[0].hidden).all()
    theirs = nn.GRU(4, 5)
    close(penstock.trace(theirs, packed, batch_index=2).layers[0].hidden, theirs(x)[0][:4, 2])


def test_a_numeric_sequence_as_an_array() -> None:
    torch.manual_seed(0)
    gru = penstock.GRU(2, 5)
    wave = np.stack([np.sin(np.arange(50) / 5), np.cos(np.arange(50) / 3)], 1)  # float64, as people have it
    trace = penstock.trace(gru, wave)
    close(trace.layers[0].hidden, gru(torch.from_numpy(wave).float())[0])
    assert isinstance(trace, Trace)
    assert trace.language is None
    np.testing.assert_allclose(trace.layers[0].attention().sum(1), 1, rtol=1e-6)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 4)
        self.never = nn.GRU(3, 4)

    def forward(self, x: torch.Tensor, cut: int = 2) -> torch.Tensor:
        _, h_n = self.gru(x[:cut])
        return self.gru(x[cut:], h_n)[0]


def test_calls_one_after_the_other() -> None:
    trace = penstock.trace(Twice(), torch.randn(4, 1, 3))
    assert [layer.name for layer in trace.layers] == ["gru", "gru"]
    np.testing.assert_allclose(trace.layers[1].h_0, trace.layers[0].hidden[-1], rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"ran over sequences of \[1, 3\] steps, which cannot be shown as one"):
        penstock.trace(Twice(), (torch.randn(4, 1, 3), 1))


class Uncalled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = penstock.GRU(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.parametrize(
    ("model", "x", "error", "message"),
    [
        (nn.LSTM(3, 4), torch.zeros(2, 3), ValueError, r"expected a penstock\.GRU or a torch\.nn\.GRU.*LSTM cannot"),
        (nn.Linear(3, 4), torch.zeros(2, 3), ValueError, r"or a torch\.nn\.GRU in it, found none$"),
        (Uncalled(), torch.zeros(2, 3), ValueError, "it ran without calling its GRU"),
        (nn.GRU(3, 4), torch.zeros(2, 1, 3), ValueError, r"batch_index: expected 0 … 0, got 1"),
        (penstock.GRU(3, 4), torch.zeros(0, 2, 3), ValueError, "x: expected at least one step, got none"),
        (penstock.GRU(3, 4), {"input": torch.zeros(2, 2, 3), "decay": torch.ones(2, 2, 1)}, ValueError, "decay: a "),
        ("runs/first", "text", TypeError, "model: expected a language model or a torch module with a GRU, got str"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(model: Any, x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        penstock.trace(model, x, batch_index=1)


class Projected(nn.Module):
    """A GRU behind a linear layer, as most are."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.project = nn.Linear(3, 5)
        self.gru = nn.GRU(5, 4, batch_first=batch_first)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gru(self.project(x))[0]


@pytest.mark.parametrize("batch_first", [False, True])
def test_what_was_put_in_is_kept_where_the_gru_read_something_else(batch_first: bool, tmp_path: Path) -> None:
    x = torch.randn(2, 7, 3)
    trace = penstock.trace(Projected(batch_first), x if batch_first else x.transpose(0, 1), batch_index=1)
    assert trace.inputs is not None
    np.testing.assert_array_equal(trace.inputs, x[1])
    named = penstock.trace(Projected(True), x, tokens="seven x"[:7], channels=["a", "b", "c"])
    assert (named.words(), named.channels) == (tuple("seven x"), ("a", "b", "c"))
    named.between(2, 6).save(tmp_path / "trace")
    again = Trace.load(tmp_path / "trace")
    assert (again.start, again.tokens, again.channels) == (2, tuple("ven "), ("a", "b", "c"))
    np.testing.assert_array_equal(again.inputs, x[0, 2:6])
    assert penstock.trace(nn.GRU(3, 4), x[0]).inputs is None
    assert penstock.trace(nn.GRU(3, 4), x[0].double().numpy()).inputs is None


def test_names_that_do_not_fit_are_refused() -> None:
    gru, x = nn.GRU(3, 4), torch.randn(5, 3)
    with pytest.raises(ValueError, match=r"tokens: expected 5, one for each step, got 2"):
        penstock.trace(gru, x, tokens=["a", "b"])
    with pytest.raises(ValueError, match=r"channels: expected 3, one for each column of the input, got 1"):
        penstock.look(gru, x, channels=["a"])
    with pytest.raises(ValueError, match=r"tokens: expected those of the one sequence and those of the other, got 5"):
        penstock.look(gru, x, x, tokens="abcde")
