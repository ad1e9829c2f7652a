"""Where a verb's number was written: the exact attention of the state that expects the verb.

The models are those of ``agreement.py``, and so are the sentences, each with a clause of 19 words.
"""

import random

import torch
from torch import Tensor

from penstock.lab import draw
from penstock.lab.agreement import TESTED, WITH_ATTRACTORS, Batch, V, batch, trained
from penstock.lab.claim import Claim, Effort, Measured, Picture, Words, share
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


def keeper(weights: Tensor, words: slice = OPENING) -> int:
    """The unit that holds the most of what was written at these words."""
    return int(weights[words].mean(1).sum(0).argmax())


def run(effort: Effort) -> list[Claim]:
    """Whether it was at the subject, in the mean over units and in the unit that keeps it best."""
    tested = batch(random.Random(0), WITH_ATTRACTORS, TESTED, held_out=True)
    found = [attended(trained("GRU", seed, effort.quick), tested) for seed in range(effort.seeds)]
    of_all = [weights.mean((1, 2)) for weights in found]  # (verb,)
    first = tested.sentences[0]

    def at_best(words: slice) -> Measured:
        """In the unit that holds these very words best: another's share of them would say little."""
        return share(float(some[words, :, keeper(some, words)].mean(1).sum()) for some in found)

    subject = share(float(weights[first.subject]) for weights in of_all)
    others = share(float(weights[first.subject + 1 :].mean()) for weights in of_all)
    return [
        Claim(
            "subject",
            Words("The verb attends to its subject", "动词关注它的主语"),
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
                Words("attention on the subject, mean over units", "对主语的注意力，各单元平均"): subject,
                Words("on a word after it, mean over units", "对其后一个词，各单元平均"): others,
                Words("on the subject, in the unit that holds it best", "对主语，在保存它最多的单元中"): at_best(
                    slice(first.subject, first.subject + 1)
                ),
                Words(
                    "on `subject , which`, in the unit that holds these best",
                    "对“主语 , which”，在保存它们最多的单元中",
                ): at_best(OPENING),
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
    drawing = draw.Drawing(ylabel=Words("attention", "注意力"))
    places = torch.arange(one.verb)
    best, mean = drawing.say(Words("one unit", "一个单元")), drawing.say(Words("mean over units", "各单元平均"))
    held = weights[:, keeper(weights[:, None])].tolist()
    drawing.axes.bar(places - 0.2, held, 0.4, color=draw.COLORS[0], label=best)
    drawing.axes.bar(places + 0.2, weights.mean(-1).tolist(), 0.4, color=draw.COLORS[1], label=mean)
    drawing.axes.set_xticks(places, one.words[: one.verb], rotation=60, ha="right", fontsize="small")
    verb = one.words[one.verb]
    return drawing.picture(
        Words(
            f"What the state before “{verb}” holds: the unit that holds the sentence's opening best, and all units",
            f"“{verb}”之前的状态保存了什么：保存句首最多的单元，以及所有单元",
        )
    )
