"""What a finished run is measured by, and how a person is told."""

import dataclasses
import lzma
import math
import shlex
from pathlib import Path

from rich.console import Console
from rich.table import Table

from penstock.runtime.model import load
from penstock.runtime.score import count_characters
from penstock.text.tokens import Tokens, documents
from penstock.train.checkpoint import Progress
from penstock.train.plan import Plan
from penstock.train.reporter import duration
from penstock.train.streams import Streams

SAMPLE_TEMPERATURE = 0.7
PROMPT = 80
"""Characters of the prompt at most."""
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


def measure(plan: Plan, progress: Progress, tokens: Tokens, out: Path) -> Results:
    """Scores the best model on the held-out text with the scorer of ``penstock eval``, and lets it write."""
    model = load(out)
    shapes = plan.model.shapes()
    parameters = sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith("reset_after"))
    start = plan.train_tokens
    stop = start + min(plan.held_out_tokens, SCORED_TOKENS)
    utf8 = model.vocabulary.utf8(tokens.ids[start:stop])
    prompt = _prompt(utf8.decode("utf-8", "replace"))
    sample = "".join(model.generate(prompt, length=400, temperature=SAMPLE_TEMPERATURE, seed=plan.settings.seed))
    nats_per_token = nats_per_character = bits = of_byte = perplexity = xz = xz_of_byte = None
    scored = 0
    streams = Streams(tokens, 0, plan.train_tokens, N=plan.streams, L=plan.settings.chunk)
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
        vocabulary=plan.model.vocabulary_size,
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
        prompt=prompt,
        sample=sample,
    )


def _prompt(text: str) -> str:
    """The line with the most letters, of the first few: prose rather than a table, in any script."""
    lines = text[:2000].splitlines() or [""]
    line = max(lines, key=lambda line: sum(character.isalpha() for character in line[:PROMPT]))
    return line[:PROMPT] + ("\n" if len(line) <= PROMPT else "")


def print_results(results: Results, out: Path, unit: str, console: Console) -> None:
    """A short table, a sample, and what to try next; bits are a ``unit``'s, "character" or "byte"."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("parameters", f"{results.parameters:,}")
    table.add_row("time", f"{duration(results.seconds)}, {results.steps:,} steps")
    table.add_row("read", f"{results.tokens_read:,} tokens, waiting for them {results.input_share:.1%} of the time")
    if results.bits_per_character is not None:
        table.add_row("held-out text", f"{results.scored_tokens:,} tokens scored")
        if unit == "character":
            table.add_row("  nats a character", f"{results.nats_per_character:.4f}")
        bits, xz = (getattr(results, f"{whose}bits_per_{unit}") for whose in ("", "xz_"))
        table.add_row(f"  bits a {unit}", f"{bits:.3f}   (xz -9 needs {xz:.3f} for the same text)")
        table.add_row("  perplexity", f"{results.perplexity:.2f} a token")
    console.print()
    console.print(table, highlight=False)
    begun = f" after “{results.prompt.strip()}”" if results.prompt.strip() else ""
    console.print(
        f"\nIt writes{begun}, at temperature {SAMPLE_TEMPERATURE}:\n", highlight=False, markup=False, soft_wrap=True
    )
    console.print(results.sample.strip("\n"), highlight=False, markup=False, soft_wrap=True)
    bits, xz = results.bits_per_byte, results.xz_bits_per_byte
    if bits is not None and xz is not None and bits > xz:
        console.print(
            "\nxz -9 packs this text better than the model expects it: more --minutes would help, or more text; "
            "--vocab byte where it is no prose.",
            highlight=False,
        )
    seen = results.tokens_read / results.vocabulary
    if results.vocabulary >= MANY and seen < OFTEN:
        console.print(
            f"\nEach of the vocabulary's {results.vocabulary:,} tokens was seen about {seen:.0f} times: more --minutes,"
            " or --vocab bpe with a smaller --vocab-size, would teach the model more of each.",
            highlight=False,
        )
    place, prompt = shlex.quote(str(out)), shlex.quote(" ".join(results.prompt.split()[:2])[:20] or "The")
    console.print(
        f"\nNext:\n  penstock generate {place} --prompt {prompt} --temperature 0.8\n  penstock eval {place} FILE…",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
