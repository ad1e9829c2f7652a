"""What a finished language model is measured by, and how a person is told."""

import dataclasses
import lzma
import math
from pathlib import Path

from rich.console import Console

from penstock.layout import command, facts, say, visible, wrap
from penstock.nn.language_model import LanguageModel
from penstock.runtime.model import Model, load_language
from penstock.runtime.score import count_characters
from penstock.tasks.language.data import TextData
from penstock.text.tokens import documents
from penstock.train.checkpoint import Progress
from penstock.train.plan import Plan
from penstock.train.reporter import duration

SAMPLE_TEMPERATURE = 0.7
WRITTEN = 60
"""Tokens of a sample while the model trains."""
MANY, OFTEN = 1000, 200
"""Tokens of a large vocabulary, and how often each must be seen to be learned."""
SCORED_TOKENS = 1 << 18
"""Of held-out text at most; ``penstock eval`` scores all that it is given."""


@dataclasses.dataclass(frozen=True)
class Results:
    """The figures of a run; those of the held-out text are None where none was held out."""

    parameters: int
    vocabulary: int
    """Tokens that the model can tell apart."""
    seconds: float
    steps: int
    tokens_read: int
    input_share: float
    """Of the seconds, those in which training waited for its text."""
    scored_tokens: int
    nats_per_token: float | None
    nats_per_character: float | None
    bits_per_character: float | None
    bits_per_byte: float | None
    perplexity: float | None
    xz_bits_per_character: float | None
    """What ``xz -9`` needs for the same held-out text."""
    xz_bits_per_byte: float | None
    prompt: str
    """A line of the held-out text."""
    sample: str
    """What the model writes after it."""


def measure(plan: Plan, progress: Progress, data: TextData, out: Path) -> Results:
    """Scores the best model on the held-out text with the scorer of ``penstock eval``, and lets it write."""
    model, tokens = load_language(out), data.tokens
    shapes = plan.model.shapes()
    parameters = sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith("reset_after"))
    start = data.training
    stop = start + min(data.held_out, SCORED_TOKENS)
    utf8 = model.vocabulary.utf8(tokens.ids[start:stop])
    sample = "".join(model.generate(data.prompt, length=400, temperature=SAMPLE_TEMPERATURE, seed=plan.settings.seed))
    nats_per_token = nats_per_character = bits = of_byte = perplexity = xz = xz_of_byte = None
    scored = 0
    streams = data.streams(plan.streams, plan.settings.chunk)
    if stop - start > 1:
        score = model.score_documents(documents(tokens, start, stop))
        scored = score.tokens
        if score.tokens and score.characters:
            nats_per_token, perplexity = score.nats_per_token, score.perplexity
            nats_per_character, bits = score.nats / score.characters, score.bits_per_character
            packed, of_byte = 8 * len(lzma.compress(utf8, preset=9)), score.bits_per_byte
            xz, xz_of_byte = packed / count_characters(utf8), packed / len(utf8)
    return Results(
        parameters=parameters,
        vocabulary=len(data.vocabulary),
        seconds=progress.seconds,
        steps=progress.step,
        tokens_read=streams.read(progress.passes, progress.chunk),
        input_share=progress.input_seconds / progress.seconds if progress.seconds else 0.0,
        scored_tokens=scored,
        nats_per_token=nats_per_token,
        nats_per_character=nats_per_character,
        bits_per_character=bits,
        bits_per_byte=of_byte,
        perplexity=perplexity,
        xz_bits_per_character=xz,
        xz_bits_per_byte=xz_of_byte,
        prompt=data.prompt,
        sample=sample,
    )


def written(model: LanguageModel, prompt: str, seed: int) -> str:
    """What a model in training writes by now; torch's random numbers stay as they are."""
    frozen = Model(model.config, model.vocabulary, model.weights())
    return "".join(frozen.generate(prompt, length=WRITTEN, temperature=SAMPLE_TEMPERATURE, seed=seed))


def print_results(results: Results, out: Path, unit: str, console: Console) -> None:
    """A short table, a sample, and what to try next; bits are a ``unit``'s, "character" or "byte"."""
    rows = [
        ("parameters", f"{results.parameters:,}"),
        ("time", f"{duration(results.seconds)}, {results.steps:,} steps"),
        ("read", f"{results.tokens_read:,} tokens, waiting for them {results.input_share:.1%} of the time"),
    ]
    if results.bits_per_character is not None:
        rows.append(("held-out text", f"{results.scored_tokens:,} tokens scored"))
        if unit == "character":
            rows.append(("  nats a character", f"{results.nats_per_character:.4f}"))
        bits, xz = (getattr(results, f"{whose}bits_per_{unit}") for whose in ("", "xz_"))
        rows.append((f"  bits a {unit}", f"{bits:.3f}   (xz -9 needs {xz:.3f} for the same text)"))
        rows.append(("  perplexity", f"{results.perplexity:.2f} a token"))
    say(console, ["", *facts(rows, console.width), ""])
    begun = f" after “{visible(results.prompt.strip())}”" if results.prompt.strip() else ""
    say(console, f"It writes{begun}, at temperature {SAMPLE_TEMPERATURE}:")
    lines = visible(results.sample.strip("\n"), kept="\n").split("\n")
    say(console, ["", *(part for line in lines for part in wrap(line, console.width))])
    bits, xz = results.bits_per_byte, results.xz_bits_per_byte
    if bits is not None and xz is not None and bits > xz:
        advice = "xz -9 packs this text better than the model expects it: more --minutes would help, or more text; "
        say(console, ["", *wrap(f"{advice}--vocab byte where it is no prose.", console.width)])
    seen = results.tokens_read / results.vocabulary
    if results.vocabulary >= MANY and seen < OFTEN:
        advice = (
            f"Each of the vocabulary's {results.vocabulary:,} tokens was seen about {seen:.0f} times: more --minutes, "
            "or --vocab bpe with a smaller --vocab-size, would teach the model more of each."
        )
        say(console, ["", *wrap(advice, console.width)])
    prompt = " ".join(results.prompt.split()[:2])[:20] or "The"
    say(console, ["", "Next:"])
    for words in (["generate", str(out), "--prompt", prompt, "--temperature", "0.8"], ["eval", str(out), "FILE"]):
        say(console, command(["penstock", *words], console.width))
