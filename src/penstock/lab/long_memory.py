"""A bit to be kept over 10 … 1,000 steps: does the update gate carry it, and does the gradient find the way back?

The first step shows a bit, +1 or −1, and is marked; every later step shows another one at random, not marked. After the
last step the model has to say the first. Each distance trains a model of its own.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from penstock.lab import draw
from penstock.lab.claim import Claim, Effort, Measured, Table, Words, share
from penstock.lab.gates_taken_away import NAMES
from penstock.lab.training import Reader, fit

DISTANCES = (10, 30, 100, 300, 1000)
FAR = 100
LEAST = 1e-12
H, N = 32, 32

DONE = Words(
    "The first step shows a marked bit, every later step an unmarked random one; at the end the model tells the first. "
    "One model a distance; all begin with orthogonal recurrent matrices, the plain RNN's best chance, and the GRU's "
    "update biases begin spread over memories up to the distance (chrono initialisation).",
    "第一步给出一个带标记的比特，其后每步给出无标记的随机比特，最后模型说出第一个。每个距离训练一个模型；"
    "循环矩阵均以正交初始化，这对普通循环神经网络最有利，GRU 更新门的偏置按 chrono 方法初始化。",
)


def bits(generator: torch.Generator, N: int, distance: int) -> tuple[Tensor, Tensor]:
    """Draws x (distance + 1, N, 2), value and mark, and the first bit (N,), 0 or 1."""
    drawn = torch.randint(0, 2, (distance + 1, N), generator=generator).float()
    mark = torch.zeros_like(drawn)
    mark[0] = 1
    return torch.stack([2 * drawn - 1, mark], -1), drawn[0]


class LongMemory(NamedTuple):
    """What one model does."""

    accuracy: float
    gradient: float
    """‖∂h_T/∂h_t‖ over the whole distance, the largest singular value."""


@cache
def trained(gates: str, distance: int, seed: int, quick: bool) -> LongMemory:
    """Trains a model for one distance and tests it on bits that it never saw."""
    model = Reader(2, H, 1, gates=gates, longest=distance, seed=seed)

    def loss(generator: torch.Generator) -> Tensor:
        x, bit = bits(generator, N, distance)
        return binary_cross_entropy_with_logits(model(x)[-1, :, 0], bit)

    fit(model, loss, what=f"{gates} over {distance:,} steps", steps=150 if quick else 600, rate=0.01, seed=seed)
    generator = torch.Generator().manual_seed(1_000_000 + seed)
    x, bit = bits(generator, 500, distance)
    with torch.no_grad():
        accuracy = ((model(x)[-1, :, 0] > 0) == (bit > 0)).float().mean()
    return LongMemory(float(accuracy), gradient(model, bits(generator, 1, distance)[0]))


def gradient(model: Reader, x: Tensor) -> float:
    """‖∂h_T/∂h_1‖ of one sequence x (T, 1, D)."""
    x = x.expand(-1, H, -1).contiguous()  # the same sequence for every row of the Jacobian
    with torch.no_grad():
        _, early = model.gru(x[:1])
    early.requires_grad_()
    _, late = model.gru(x[1:], early)
    (rows,) = torch.autograd.grad(late[0].diagonal().sum(), early)
    return float(torch.linalg.matrix_norm(rows[0].double(), 2))


def run(effort: Effort) -> list[Claim]:
    """The GRU answers right over every distance; and whether the plain RNN does not, and its gradient vanishes."""
    distances = DISTANCES[:3] if effort.quick else DISTANCES
    accuracy: dict[str, list[Measured]] = {}
    norm: dict[str, list[Measured]] = {}
    for gates in ("GRU", "plain RNN"):
        found = [[trained(gates, d, seed, effort.quick) for seed in range(effort.seeds)] for d in distances]
        accuracy[gates] = [share(one.accuracy for one in some) for some in found]
        norm[gates] = [Measured(tuple(one.gradient for one in some), ".1e") for some in found]
    kept, back = accuracy["GRU"], norm["GRU"]
    far = [k for k, distance in enumerate(distances) if distance >= FAR]
    # over the distances, a value a seed
    lost = share(sum(accuracy["plain RNN"][k].values[seed] for k in far) / len(far) for seed in range(effort.seeds))
    gone = Measured(tuple(max(norm["plain RNN"][k].values[s] for k in far) for s in range(effort.seeds)), ".1e")
    columns = [Words(f"{distance:,} steps", f"{distance:,} 步") for distance in distances]
    drawn = {
        NAMES[name]: [Measured(tuple(max(value, LEAST) for value in point.values)) for point in points]
        for name, points in norm.items()
    }
    accuracies, norms = ({NAMES[name]: row for name, row in some.items()} for some in (accuracy, norm))
    along = {"xlabel": Words("distance, steps", "距离（步）"), "xscale": "log"}
    by_accuracy, by_gradient = Words("Accuracy by distance", "准确率与距离"), "‖∂h_T/∂h_t‖"
    return [
        Claim(
            "lasting",
            Words("The update gate keeps a state", "更新门保留状态"),
            Words("The update gate keeps a state over a long stretch.", "更新门能在很长的时间跨度上保留状态。"),
            DONE,
            {
                Words(f"accuracy over {distances[-1]:,} steps", f"经过 {distances[-1]:,} 步的准确率"): kept[-1],
                Words(
                    f"{by_gradient} over {distances[-1]:,} steps", f"经过 {distances[-1]:,} 步的 {by_gradient}"
                ): back[-1],
            },
            Words(
                "accuracy ≥ 95% and gradient ≥ 0.01 at every distance, with every seed",
                "每个距离、每个种子：准确率 ≥ 95%，梯度 ≥ 0.01",
            ),
            min(min(a.values) for a in kept) >= 0.95 and min(min(n.values) for n in back) >= 0.01,
            [
                Table(by_accuracy, columns, accuracies),
                Table(Words(f"{by_gradient} by distance", f"{by_gradient} 与距离"), columns, norms),
            ],
            [
                draw.curves(
                    by_accuracy, distances, accuracies, ylabel=Words("accuracy", "准确率"), ylim=(0.4, 1.03), **along
                ),
                draw.curves(
                    Words(
                        f"The trained models' {by_gradient} by distance; what is lower is drawn at {LEAST:g}",
                        f"训练后各模型的 {by_gradient} 与距离；更低的画在 {LEAST:g} 处",
                    ),
                    distances,
                    drawn,
                    ylabel=by_gradient,
                    yscale="log",
                    **along,
                ),
            ],
        ),
        Claim(
            "fading",
            Words("The plain RNN's state fades", "普通循环神经网络的状态会消失"),
            Words(
                "Without gates a state is soon lost, and so is the gradient that could teach to keep it.",
                "没有门，状态很快丢失，能教会模型保留它的梯度也随之消失。",
            ),
            DONE,
            {
                Words(f"accuracy from {FAR} steps on, mean", f"{FAR} 步及以上的平均准确率"): lost,
                Words(f"largest {by_gradient} from {FAR} steps on", f"{FAR} 步及以上最大的 {by_gradient}"): gone,
            },
            Words(
                "accuracy ≤ 75% and gradient ≤ 0.01, in the mean over the seeds",
                "各种子平均：准确率 ≤ 75%，梯度 ≤ 0.01",
            ),
            lost.mean <= 0.75 and gone.mean <= 0.01,
        ),
    ]


def accuracy_without(gates: str, effort: Effort) -> Measured:
    """Over 300 steps (quick: 100), with gates taken away."""
    distance = 100 if effort.quick else 300
    return share(trained(gates, distance, seed, effort.quick).accuracy for seed in range(effort.seeds))
