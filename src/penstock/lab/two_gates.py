"""Why two gates and not one: the tasks of the other experiments, with each gate taken away."""

from penstock.lab import agreement, fresh_starts, long_memory, odd_one_out
from penstock.lab.claim import Claim, Effort, Measured, Table, Words, number
from penstock.lab.gates_taken_away import TAKEN_AWAY

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
    return [
        Claim(
            "Two gates and not one",
            Words(
                "Both gates are needed: the update gate for what lasts, the reset gate for what is to be forgotten.",
                "两个门缺一不可：更新门捕捉长期依赖，重置门负责遗忘。",
            ),
            Words(
                "The tasks above, trained with a gate forced: z = 0 takes the update gate away, r = 1 the reset gate, "
                "both give the plain RNN.",
                "上述任务，训练时强制一个门：z = 0 去掉更新门，r = 1 去掉重置门，两者同时就是普通循环神经网络。",
            ),
            {f"largest loss on a task {gates}": Measured(cost.values, ".1%") for gates, cost in costs.items()},
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
                    "The same tasks with each gate taken away",
                    [
                        "the odd one out: accuracy",
                        f"a bit over {'100' if effort.quick else '300'} steps: accuracy",
                        "fresh starts: variance explained",
                        f"agreement across {agreement.CLAUSES[-1]} words: accuracy",
                    ],
                    found,
                )
            ],
        )
    ]
