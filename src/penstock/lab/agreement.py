"""`The cat, which already ate …, was full`: is the subject's number still there when the verb comes?

A language model of a small grammar (``grammar.py``), trained to expect the next word and on nothing else, with clauses
of 1 … 40 words. It is right where it expects the verb's right form more than the wrong one. Tested on held-out subjects
and verbs, which it saw in sentences without a clause alone.
"""

import random
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from penstock.lab import draw
from penstock.lab.claim import Claim, Effort, Measured, Table, Words, same
from penstock.lab.gates_taken_away import NAMES, TAKEN_AWAY
from penstock.lab.grammar import ID, WORDS, Sentence, sentence
from penstock.lab.training import Reader, fit, one_hot

CLAUSES = (1, 3, 5, 10, 20, 30, 40)
LONGEST = 40
ATTRACTORS = range(5)
WITH_ATTRACTORS = 19
"""Words of the clause in which attractors are counted: five nouns."""
H, N, V = 32, 32, len(WORDS)
TESTED = 300


class Batch(NamedTuple):
    """Sentences with clauses of one length, so that nothing is padded: their words' ids (L, N), and what they are."""

    ids: Tensor
    sentences: list[Sentence]


def batch(rng: random.Random, clause: int, count: int, held_out: bool = False, attractors: int | None = None) -> Batch:
    """Draws sentences."""
    drawn = [sentence(rng, clause, held_out=held_out, attractors=attractors) for _ in range(count)]
    return Batch(torch.tensor([[ID[word] for word in one.words] for one in drawn]).T, drawn)


@cache
def corpus(seed: int, batches: int) -> list[Tensor]:
    """What is trained on: a half without a clause, else each length as often as any other."""
    rng = random.Random(seed)
    clauses = [0 if rng.random() < 0.5 else rng.randint(1, LONGEST) for _ in range(batches)]
    return [batch(rng, clause, N).ids for clause in clauses]


@cache
def trained(gates: str, seed: int, quick: bool) -> Reader:
    """A language model of the grammar."""
    model = Reader(V, H, V, gates=gates, longest=LONGEST, seed=seed)
    steps = 800 if quick else 2000
    batches = corpus(seed, steps)

    def loss(generator: torch.Generator) -> Tensor:
        ids = batches[int(torch.randint(len(batches), (), generator=generator))]
        return cross_entropy(model(one_hot(ids[:-1], V)).flatten(0, 1), ids[1:].flatten())

    fit(model, loss, what=gates, steps=steps, rate=0.01, seed=seed)
    return model


def accuracy(model: Reader, tested: Batch) -> float:
    """How often the right form of the verb is expected more than the wrong one."""
    verb = tested.sentences[0].verb
    with torch.no_grad():
        expected = model(one_hot(tested.ids[:verb], V))[-1]
    each = torch.arange(len(expected))
    wrong = torch.tensor([ID[one.wrong] for one in tested.sentences])
    return float((expected[each, tested.ids[verb]] > expected[each, wrong]).float().mean())


def by_clause(gates: str, effort: Effort) -> list[Measured]:
    """Accuracy at each of ``CLAUSES``."""
    tests = [batch(random.Random(clause), clause, TESTED, held_out=True) for clause in CLAUSES]
    models = [trained(gates, seed, effort.quick) for seed in range(effort.seeds)]
    return [Measured(tuple(accuracy(model, tested) for model in models), ".0%") for tested in tests]


def by_attractors(gates: str, effort: Effort) -> list[Measured]:
    """Accuracy at each of ``ATTRACTORS``, in clauses of the same length."""
    tests = [batch(random.Random(k), WITH_ATTRACTORS, TESTED, held_out=True, attractors=k) for k in ATTRACTORS]
    models = [trained(gates, seed, effort.quick) for seed in range(effort.seeds)]
    return [Measured(tuple(accuracy(model, tested) for model in models), ".0%") for tested in tests]


def run(effort: Effort) -> list[Claim]:
    """The GRU agrees across every clause, and the plain RNN does not."""
    lengths = {gates: by_clause(gates, effort) for gates in TAKEN_AWAY}
    attractors = {gates: by_attractors(gates, effort) for gates in TAKEN_AWAY}
    far = [plain for clause, plain in zip(CLAUSES, lengths["plain RNN"], strict=True) if clause >= 10]
    fewest = min(min(some.values) for some in (*lengths["GRU"], *attractors["GRU"]))
    by_length, by_number = ({NAMES[gates]: row for gates, row in some.items()} for some in (lengths, attractors))
    axes = {"ylabel": Words("accuracy", "准确率"), "ylim": (0, 1.05)}
    by_words, by_nouns = (
        Words("Agreement by words of the clause", "主谓一致与从句词数"),
        Words(
            f"Agreement by attractors, clause of {WITH_ATTRACTORS} words",
            f"主谓一致与干扰名词数，从句有 {WITH_ATTRACTORS} 个词",
        ),
    )
    longest, most = CLAUSES[-1], ATTRACTORS[-1]
    return [
        Claim(
            "cat",
            same("The cat, which already ate …, was full"),
            Words(
                "In “The cat, which already ate …, was full”, the number of the cat is kept until the verb.",
                "在“The cat, which already ate …, was full”中，主语 cat 的单复数一直保留到动词处。",
            ),
            Words(
                "A language model of a small grammar, with clauses of 1 … 40 words, each noun of which has a verb of "
                "its own. Tested on held-out subjects and verbs, seen in sentences without a clause alone: is the "
                "verb's right form expected more than the wrong one?",
                "在一个小语法上训练语言模型，从句有 1 … 40 个词，从句中每个名词都有自己的动词。用留出的主语和动词测试"
                "，它们在训练中只出现在没有从句的句子里：正确的动词形式是否比错误的更被预期？",
            ),
            {
                Words(f"{said.en}, {NAMES[gates].en}", f"{said.zh}，{NAMES[gates].zh}"): some[gates][-1]
                for said, some in (
                    (Words(f"clause of {longest} words", f"从句 {longest} 个词"), lengths),
                    (Words(f"{most} attractors", f"{most} 个干扰名词"), attractors),
                )
                for gates in ("GRU", "plain RNN")
            },
            Words(
                "GRU ≥ 95% at every clause length and number of attractors, with every seed; plain RNN ≤ 80% in the "
                "mean over clauses of 10 words and more",
                "GRU：每个从句长度、每个干扰名词数、每个种子均 ≥ 95%；普通循环神经网络：从句不少于 10 个词时平均 ≤ 80%",
            ),
            fewest >= 0.95 and sum(some.mean for some in far) / len(far) <= 0.8,
            [
                Table(by_words, [same(str(count)) for count in CLAUSES], by_length),
                Table(by_nouns, [same(str(count)) for count in ATTRACTORS], by_number),
            ],
            [
                draw.curves(by_words, CLAUSES, by_length, xlabel=Words("words of the clause", "从句词数"), **axes),
                draw.curves(
                    by_nouns,
                    ATTRACTORS,
                    by_number,
                    xlabel=Words("attractors", "干扰名词"),
                    xticks=list(ATTRACTORS),
                    **axes,
                ),
            ],
        )
    ]
