"""Writes cli.md, the command line's reference, from the program: `make reference`. A test says when it is old."""

from pathlib import Path

from penstock.cli import app

PAGE = Path(__file__).with_name("cli.md")
OPENING = """\
<!-- Written by write_cli.py from the program: `make reference`. -->

# The command line

`penstock VERB`, the same as `python -m penstock VERB`. `penstock VERB --help` says what stands here.

A setting comes from its flag; else from the environment, where `--top-k` of `penstock generate` is
`PENSTOCK_GENERATE_TOP_K`; else from the TOML file that `--config` names, a table a verb; else it has its default. Exit
status: 0 done, 1 failed, 2 bad input, 128 + n stopped by signal n. An error is one line on standard error.

"""


def page() -> str:
    """The text of the page."""
    verbs = [name for name in app if not name.startswith("-")]
    sections = [_section(app.meta.generate_docs(recursive=False, heading_level=2), "Every verb")]
    for verb in verbs:
        text = app[verb].generate_docs(heading_level=2, usage_name=f"penstock {verb}")
        sections.append(_section(text, f"penstock {verb}"))
    return OPENING + "\n".join(sections)


def _section(text: str, heading: str) -> str:
    """With our heading; of the whole program only its settings, as the rest of the page lists the verbs."""
    text = text.split("\n", 1)[1]
    if heading == "Every verb":
        text = "\n" + text[text.index("**Parameters**") :]
    text = text.replace(" *[default: False]*", "")  # of a switch it goes without saying
    return f"## {heading}\n\n" + "\n".join(line.rstrip() for line in text.strip("\n").split("\n")) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
