"""One step of optimisation."""

import pytest
import torch

from penstock.model_folder import LanguageConfig, StackConfig
from penstock.nn import LanguageModel
from penstock.tasks.language.streams import IGNORED, nats
from penstock.text import CharVocabulary
from penstock.train.step import AVERAGED, NotFinite, Stepper
from penstock.train.task import Chunk

VOCABULARY = CharVocabulary("abc")
STATE = torch.zeros(1, 1, 5)


def make() -> Stepper:
    torch.manual_seed(0)
    model = LanguageModel(LanguageConfig(len(VOCABULARY), StackConfig(4, 5)), VOCABULARY)
    return Stepper(model, nats, learning_rate=0.01, weight_decay=0.1, clip=1.0)


TOKENS = torch.tensor([[1, 2, 3, 1, 2, 3, 1, 2]]).t()


def test_it_learns() -> None:
    stepper = make()
    losses = [stepper.step(Chunk(TOKENS[:-1], TOKENS[1:], None, 7), STATE).loss for _ in range(80)]
    assert losses[-1] < 0.2 * losses[0]


def test_targets_that_start_a_document_do_not_count() -> None:
    targets = TOKENS[1:].clone()
    targets[3:] = IGNORED
    stepper = make()
    few = make().step(Chunk(TOKENS[:3], TOKENS[1:4], None, 3), STATE)
    assert stepper.step(Chunk(TOKENS[:-1], targets, None, 3), STATE).loss == pytest.approx(few.loss, rel=1e-6)
    none = torch.full_like(targets, IGNORED)
    assert make().step(Chunk(TOKENS[:-1], none, None, 0), STATE).loss == 0


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    stepper = make()
    before = {k: v.clone() for k, v in stepper.model.state_dict().items()}
    with pytest.raises(NotFinite, match=r"loss nan"):
        stepper.step(Chunk(TOKENS[:-1], TOKENS[1:], None, 7), torch.full_like(STATE, torch.nan))
    assert all(torch.equal(before[k], v) for k, v in stepper.model.state_dict().items())


def test_decay_is_on_matrices_alone() -> None:
    matrices, vectors = make().optimizer.param_groups
    assert matrices["weight_decay"] == 0.1
    assert vectors["weight_decay"] == 0
    assert {p.dim() for p in matrices["params"]} == {2}
    assert {p.dim() for p in vectors["params"]} == {1}


def test_weights_are_averaged_by_polynomial_decay_and_come_back_to_the_last_bit() -> None:
    torch.manual_seed(0)
    model = LanguageModel(LanguageConfig(len(VOCABULARY), StackConfig(4, 5)), VOCABULARY)
    stepper = Stepper(model, nats, learning_rate=0.01, weight_decay=0.1, clip=1.0, average=True)
    seen = []
    for step in range(1, 40):
        stepper.step(Chunk(TOKENS[:-1], TOKENS[1:], None, 7), STATE)
        stepper.take_into_average(step)
        seen.append({name: p.detach().double().clone() for name, p in model.named_parameters()})
    expected = {name: sum(w * one[name] for w, one in zip(_shares(39), seen, strict=True)) for name in seen[0]}
    with stepper.averaged():
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(parameter.detach().double(), expected[name], rtol=1e-5, atol=1e-6)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter.detach().double(), seen[-1][name])


def _shares(T: int) -> list[float]:
    """Of the weights of each step in the average after T: each new one takes (η + 1) / (η + t)."""
    shares: list[float] = []
    for t in range(1, T + 1):
        new = (AVERAGED + 1) / (AVERAGED + t)
        shares = [(1 - new) * one for one in shares] + [new]
    return shares
