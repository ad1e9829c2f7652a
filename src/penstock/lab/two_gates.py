"""Why two gates and not one: the tasks of the other experiments, with each gate taken away."""

from penstock.lab import agreement, fresh_starts, long_memory, odd_one_out
from penstock.lab.claim import Claim, Effort, Measured, Table, Words, number
from penstock.lab.gates_taken_away import NAMES, TAKEN_AWAY

COST = 0.1
"""What counts as a loss on a task."""


def run(effort: Effort) -> list[Claim]:
    """Each gate is needed for something. Models that another experiment trained are not trained again."""
    found = {
        gates: [
            odd_one_out.accuracy_without(gates, effort),
            long_memory.accuracy_without(gates, effort),
            fresh_starts.explained_without(gates, effort),
            agreement.by_clause(gates, effort)[-1],
        ]
        for gates in TAKEN_AWAY
    }
    whole = found["GRU"]
    costs = {
        gates: number([max(full.mean - less.mean for full, less in zip(whole, found[gates], strict=True))])
        for gates in ("without update gate", "without reset gate")
    }
    far, words = 100 if effort.quick else 300, agreement.CLAUSES[-1]
    return [
        Claim(
            "two",
            Words("Two gates and not one", "两个门而不是一个"),
            Words(
                "Both gates are needed: the update gate for what lasts, the reset gate for what is to be forgotten.",
                "两个门缺一不可：更新门捕捉长期依赖，重置门负责遗忘。",
            ),
            Words(
                "The tasks above, trained with a gate forced: z = 0 takes the update gate away, r = 1 the reset gate, "
                "both give the plain RNN.",
                "上述任务，训练时强制一个门：z = 0 去掉更新门，r = 1 去掉重置门，两者同时就是普通循环神经网络。",
            ),
            {
                Words(f"largest loss on a task {gates}", f"{NAMES[gates].zh}时在一项任务上的最大损失"): Measured(
                    cost.values, ".1%"
                )
                for gates, cost in costs.items()
            },
            Words(
                f"either gate taken away costs at least {100 * COST:.0f} points on some task, and gains none on any "
                "by more than 2 points",
                f"去掉任何一个门，都至少在一项任务上损失 {100 * COST:.0f} 个百分点，"
                "且在任何任务上的提升不超过 2 个百分点",
            ),
            min(cost.mean for cost in costs.values()) >= COST
            and all(
                less.mean <= full.mean + 0.02 for gates in costs for full, less in zip(whole, found[gates], strict=True)
            ),
            [
                Table(
                    Words("The same tasks with each gate taken away", "同样的任务，分别去掉每个门"),
                    [
                        Words("the odd one out: accuracy", "找出不同的一个：准确率"),
                        Words(f"a bit over {far} steps: accuracy", f"保留一个比特 {far} 步：准确率"),
                        Words("fresh starts: variance explained", "重新开始：解释的方差"),
                        Words(f"agreement across {words} words: accuracy", f"跨 {words} 个词的主谓一致：准确率"),
                    ],
                    {NAMES[gates]: row for gates, row in found.items()},
                )
            ],
        )
    ]
