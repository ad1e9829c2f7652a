"""The command line: ``penstock VERB``, the same as ``python -m penstock VERB``. A thin skin over the Python API."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict, Env

from penstock import __version__
from penstock.errors import PenstockError

app = App(
    name="penstock",
    version=__version__,
    help="Gated recurrent units: train one on text, see what it learned, let it write.",
    help_format="markdown",
)
# Named, not imported: a verb loads what it needs when it is called.
app.command("penstock.cli.train:train", help="Train a language model on text.")
app.command("penstock.cli.eval:evaluate", name="eval", help="Measure how well a model expects text.")
app.command("penstock.cli.generate:generate", help="Let a model write on, as it writes.")
app.command(
    "penstock.cli.info:info",
    help="Show versions, instruction sets and backends, and why each was chosen or not.",
)


@app.meta.default
def _run(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Path | None = None,
    debug: Annotated[bool, Parameter(negative=())] = False,
) -> Any:
    """Runs a verb.

    Args:
        config: A TOML file of settings, a table a verb. A flag beats PENSTOCK_VERB_SETTING in the environment, which
            beats the file.
        debug: Show the traceback of an error.
    """
    settings = {} if config is None else _toml(config)
    app.config = (
        Env("PENSTOCK_", command=True),
        Dict(settings, source=str(config), use_commands_as_keys=True),
    )
    # a lone "-" would be taken for an option, here and only here
    named = ["/dev/stdin" if token == "-" else token for token in tokens]
    return app(named, exit_on_error=False, print_error=False, result_action="return_value")


def main() -> None:
    """Runs the command line and exits: 0 done, 1 failed, 2 bad input, 128 + n stopped by signal n."""
    debug = "--debug" in sys.argv
    try:
        status = app.meta(exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except (PenstockError, CycloptsError) as error:
        if debug:
            raise
        message = " ".join(str(error).split()).removesuffix(".")
        print(f"penstock: error: {message}", file=sys.stderr)
        status = getattr(error, "status", 2)
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # the reader of our output is gone, as with "| head": nothing is wrong, and nothing more can be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        settings: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return settings
    except (OSError, ValueError) as error:
        raise PenstockError(f"--config: {path}: cannot be read as TOML: {error}") from None
