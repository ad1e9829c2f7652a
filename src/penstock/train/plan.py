"""What a run will do: the settings, and for what they leave open a choice from corpus, time and measured speed.

The rule, for every choice a person did not make:

- **Size**: the largest preset that would read at least ``TOKENS_PER_PARAMETER`` tokens for each of its parameters in
  the time, the steps or the epochs allowed, and at least the smallest one. The time counts at the speed measured here,
  so that a faster machine or engine trains a larger model by itself.
- **Dropout**: rises with how well the text could be learnt by heart: with the passes over it, and with the square root
  of the parameters there are for each of its tokens.
- **Learning rate**: 0.1 / √H, or 2.3 / H if that is less, times the fourth root of (tokens in a step / 2,048) ·
  (2,400 / steps) · (512 / V, if less than 1); at most 0.02, and of less than 480 steps that of 480. The best of Adam
  falls with the width (Yang et al. 2021, arXiv:2203.03466, table 3); how it does so here was found in some hundreds of
  runs, see docs/reference/language-models.md.
- **Streams**: 32 side by side for each process on a CPU, 128 on a GPU, fewer where the corpus is short.
"""

import dataclasses
import math
import time
import uuid
from collections.abc import Sequence

import torch

from penstock.errors import PenstockError
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.nn.language_model import LanguageModel
from penstock.text.tokens import Prepared
from penstock.text.vocabulary import Vocabulary
from penstock.train.settings import Settings
from penstock.train.step import Stepper
from penstock.train.streams import Chunk, Streams

PRESETS = {
    "tiny": {"hidden": 128, "embedding": 64, "layers": 1},
    "small": {"hidden": 256, "embedding": 128, "layers": 1},
    "medium": {"hidden": 384, "embedding": 128, "layers": 1},
    "large": {"hidden": 512, "embedding": 256, "layers": 1},
    "huge": {"hidden": 1024, "embedding": 512, "layers": 2},
}
TOKENS_PER_PARAMETER = 3
DEFAULT_MINUTES = 3.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run, resolved: saved with it and taken up again by ``--resume``."""

    inputs: list[str]
    """What it reads; none is the text that comes with Python."""
    tokens: str
    """The token folder: inside the run's own folder, or one that was prepared for many runs."""
    digest: str
    """Of the tokens."""
    settings: Settings
    model: LanguageConfig
    streams: int
    learning_rate: float
    device: str
    minutes: float | None
    """The limit in time; None where ``steps`` is the limit."""
    steps: int | None
    expected_passes: float
    """How often the training text would be read, at the speed measured."""
    train_tokens: int
    held_out_tokens: int
    validation_tokens: int
    """Of the held-out text, read by each of the run's validations; the results at its end read more."""
    run: str = ""
    """Another one for each run."""
    launch: str = ""
    """The launcher's name for its start of the run; one that starts processes again goes on with what they began."""


def make_plan(
    settings: Settings,
    prepared: Prepared,
    inputs: Sequence[str],
    folder: str,
    ranks: int = 1,
    launch: str = "",
    begins_from: LanguageConfig | None = None,
) -> Plan:
    """Resolves the settings against a corpus, whose tokens are in ``folder``, this machine and the number of processes.

    A run that begins from a model has its sizes.

    Raises:
        PenstockError: the corpus is too short, or the device is not there.
    """
    tokens, train_tokens, vocabulary = prepared.tokens, prepared.training, prepared.vocabulary
    held_out = len(tokens.ids) - train_tokens
    if train_tokens < 2 or (settings.holdout and held_out < 2):
        if len(tokens.ids) >= 100:
            raise PenstockError(
                f"--holdout: {settings.holdout} of {len(tokens.ids)} tokens is too few to score; hold out more, or 0"
            )
        raise PenstockError(
            f"{', '.join(inputs)}: {len(tokens.ids)} tokens are too few to train on and hold out; "
            "expected some hundreds at least"
        )
    device = usable_device(settings.device)
    streams = settings.streams or ranks * (32 if device.type == "cpu" else 128)
    streams = max(1, min(streams, train_tokens // (2 * settings.chunk)))
    of_pass = Streams(prepared.tokens, 0, train_tokens, N=streams, L=settings.chunk)
    per_step = of_pass.N * of_pass.length / len(of_pass)

    minutes, steps = length_of(settings, of_pass)

    def sized(size: str) -> LanguageConfig:
        preset = PRESETS[size]
        hidden = settings.hidden or preset["hidden"]
        embedding = settings.embedding or (
            hidden if settings.tied else hidden // 2 if settings.hidden else preset["embedding"]
        )
        stack = StackConfig(
            max(1, embedding),
            hidden,
            settings.layers or preset["layers"],
            reset=settings.reset,
            residual=settings.residual,
        )
        return LanguageConfig(len(vocabulary), stack, tied=settings.tied)

    def tokens_in_budget(model: LanguageConfig) -> float:
        if steps is not None:
            return float(steps * per_step)
        assert minutes is not None
        return (
            minutes * 60 * ranks * _tokens_per_second(model, vocabulary, -(-streams // ranks), settings.chunk, device)
        )

    if begins_from is not None:
        model = dataclasses.replace(begins_from, vocabulary_size=len(vocabulary))
        budget = tokens_in_budget(model)
    elif settings.size is not None or settings.hidden is not None:
        model = sized(settings.size or "small")
        budget = tokens_in_budget(model)
    else:
        for size in PRESETS:
            candidate = sized(size)
            candidate_budget = tokens_in_budget(candidate)
            if size != "tiny" and candidate_budget < TOKENS_PER_PARAMETER * _parameters(candidate):
                break
            model, budget = candidate, candidate_budget
    passes = budget / (of_pass.N * of_pass.length)
    dropout = settings.dropout
    if dropout is None:
        dropout = _dropout(passes * math.sqrt(_parameters(model) / train_tokens))
    plan = Plan(
        inputs=list(inputs),
        tokens=folder,
        digest=prepared.digest,
        settings=settings,
        model=dataclasses.replace(model, stack=dataclasses.replace(model.stack, dropout=dropout)),
        streams=streams,
        learning_rate=0.0,
        device=str(device),
        minutes=minutes,
        steps=steps,
        expected_passes=passes,
        train_tokens=train_tokens,
        held_out_tokens=held_out,
        # a token costs about a third of a training step's: ten validations stay within a twentieth of the run
        validation_tokens=round(min(max(0.015 * budget, 2048), 65536)),
        run=uuid.uuid4().hex,
        launch=launch,
    )
    return dataclasses.replace(plan, learning_rate=learning_rate(plan, budget / per_step))


def length_of(settings: Settings, streams: Streams) -> tuple[float | None, int | None]:
    """A run's limit in minutes, or in steps; one of them is None."""
    if settings.epochs is not None:
        return None, max(1, round(settings.epochs * len(streams)))
    if settings.steps is not None:
        return None, settings.steps
    return settings.minutes or DEFAULT_MINUTES, None


def _dropout(by_heart: float) -> float:
    for limit, dropout in ((5, 0.0), (7, 0.1), (15, 0.2), (30, 0.3)):
        if by_heart < limit:
            return dropout
    return 0.4


def learning_rate(plan: Plan, steps: float) -> float:
    """What was said, or by the rule above for a run of so many steps."""
    H, tokens = plan.model.stack.hidden_size, plan.streams * plan.settings.chunk
    longer, wider = max(steps / 2400, 0.2), max(plan.model.vocabulary_size / 512, 1.0)
    rate = min(0.1 / math.sqrt(H), 2.3 / H) * math.sqrt(math.sqrt(tokens / 2048 / longer / wider))
    return plan.settings.learning_rate or min(rate, 0.02)


def _parameters(model: LanguageConfig) -> int:
    """Of the layers and the output; an embedding row is touched by its own token alone."""
    H, E, K = model.stack.hidden_size, model.stack.input_size, model.stack.num_layers
    layers = 3 * H * (E + H) + (K - 1) * 6 * H * H
    return layers + H * model.vocabulary_size


def _tokens_per_second(model: LanguageConfig, vocabulary: Vocabulary, N: int, L: int, device: torch.device) -> float:
    """The speed of real training steps on random tokens: the median of five after one to warm up."""
    with torch.random.fork_rng():
        module = LanguageModel(model, vocabulary).to(device)
        stepper = Stepper(module, learning_rate=0.0, weight_decay=0.0, clip=1.0)
        tokens = torch.randint(len(vocabulary), (L, N), device=device)
        seconds = []
        for _ in range(6):
            began = time.perf_counter()
            stepper.step(Chunk(tokens, tokens, None), stepper.initial_state(N))
            seconds.append(time.perf_counter() - began)
    return L * N / sorted(seconds[1:])[2]


def usable_device(name: str | None) -> torch.device:
    """The device of this name, or the best one there is.

    Raises:
        PenstockError: it cannot compute here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        raise PenstockError(f"--device: {name!r} cannot be used here: {str(error).splitlines()[0]}") from None
    return device
