"""What a person sees while a model trains."""

import io

from rich.console import Console

from penstock.train.reporter import Display


def test_the_bar_fits_a_terminal_of_80_columns() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with Display(console, 1.0) as display:
        display.update(0.42, 123_456, 12.345, 123_456, 754)
        display._bar.refresh()
        shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "42% 12.6 min left  step 123,456  loss 12.345 nats  123,456 tokens/s" in shown
