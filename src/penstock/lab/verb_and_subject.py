"""Where a verb's number was written: the exact attention of the state that expects the verb.

The models are those of ``agreement.py``, and so are the sentences, each with a clause of 19 words.
"""

import random

import torch
from torch import Tensor

from penstock.lab import draw
from penstock.lab.agreement import TESTED, WITH_ATTRACTORS, Batch, V, batch, trained
from penstock.lab.claim import Claim, Effort, Picture, Words, share
from penstock.lab.grammar import Sentence
from penstock.lab.training import Reader, one_hot
from penstock.look.attention import attention

OPENING = slice(1, 4)
"""The subject, the comma and `which`."""


def attended(model: Reader, tested: Batch) -> Tensor:
    """Each unit's weight of every word in the state that expects the verb, (verb, sentences, H)."""
    verb = tested.sentences[0].verb
    with torch.no_grad():
        gates = model.gru(one_hot(tested.ids[:verb], V), return_gates=True)[2]
    weights: Tensor = attention(gates.update[0], each=True)[-1, 1:]
    return weights


def keeper(weights: Tensor) -> int:
    """The unit that holds the most of what was written from the subject to `which`."""
    return int(weights[OPENING].mean(1).sum(0).argmax())


def run(effort: Effort) -> list[Claim]:
    """Whether it was at the subject, in the mean over units and in the unit that keeps it best."""
    tested = batch(random.Random(0), WITH_ATTRACTORS, TESTED, held_out=True)
    found = [attended(trained("GRU", seed, effort.quick), tested) for seed in range(effort.seeds)]
    of_all = [weights.mean((1, 2)) for weights in found]  # (verb,)
    of_keeper = [weights[..., keeper(weights)].mean(1) for weights in found]
    first = tested.sentences[0]
    subject = share(float(weights[first.subject]) for weights in of_all)
    others = share(float(weights[first.subject + 1 :].mean()) for weights in of_all)
    return [
        Claim(
            "The verb attends to its subject",
            Words(
                "Before the verb, the state attends to the subject more than to the words between.",
                "在动词之前，隐状态对主语的关注多于对中间各词的关注。",
            ),
            Words(
                "The exact attention, in the GRUs of the experiment before, of the state that expects the verb, after "
                "a clause of 19 words.",
                "在前一实验的 GRU 中，经过 19 个词的从句之后，预期动词的隐状态的精确注意力。",
            ),
            {
                "attention on the subject, mean over units": subject,
                "on a word after it, mean over units": others,
                "on the subject, in the unit that keeps it best": share(float(w[first.subject]) for w in of_keeper),
                "on `subject , which`, in that unit": share(float(w[OPENING].sum()) for w in of_keeper),
            },
            Words(
                "in the mean over units, more on the subject than on a word after it, with every seed",
                "每个种子：各单元平均，对主语的注意力高于对其后一个词的注意力",
            ),
            all(a > b for a, b in zip(subject.values, others.values, strict=True)),
            pictures=[_picture(first, found[0][:, 0])],
        )
    ]


def _picture(one: Sentence, weights: Tensor) -> Picture:
    figure, axes = draw.axes(ylabel="attention")
    places = torch.arange(one.verb)
    axes.bar(places - 0.2, weights[:, keeper(weights[:, None])].tolist(), 0.4, color=draw.COLORS[0], label="one unit")
    axes.bar(places + 0.2, weights.mean(-1).tolist(), 0.4, color=draw.COLORS[1], label="mean over units")
    axes.set_xticks(places, one.words[: one.verb], rotation=60, ha="right", fontsize="small")
    axes.legend(frameon=False, fontsize="small")
    return draw.picture(f"What the state before “{one.words[one.verb]}” holds: the best keeper, and all units", figure)
