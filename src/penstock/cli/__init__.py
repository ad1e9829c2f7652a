"""The command line: ``penstock VERB``, the same as ``python -m penstock VERB``. A thin skin over the Python API."""

import io
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict, Env
from cyclopts.exceptions import UnusedCliTokensError

from penstock import __version__
from penstock.cli.parameters import SAID
from penstock.errors import PenstockError
from penstock.files import is_utf8

app = App(
    name="penstock",
    version=__version__,
    help="Gated recurrent units: train one on text, see what it learned, let it write.",
    help_format="markdown",
)
# Named, not imported: a verb loads what it needs when it is called.
app.command("penstock.cli.train:train", help="Train a model on text, or on series of numbers.")
app.command("penstock.cli.prepare:prepare", help="Make tokens of a corpus that is larger than memory.")
app.command("penstock.cli.eval:evaluate", name="eval", help="Measure a model on other text, or other series.")
app.command("penstock.cli.score:score", help="Score every row of many files: perplexity, bits a byte, embeddings.")
app.command("penstock.cli.generate:generate", help="Let a model write on, as it writes.")
app.command("penstock.cli.predict:predict", help="Answer new series with a model of series.")
app.command("penstock.cli.look:look", help="See what a model's gates keep and forget.")
app.command("penstock.cli.quantize:quantize", help="Round a model's weights to 8 bits, and say what it costs.")
app.command("penstock.cli.export:export", help="Carry a model to C, or to where else it is to run.")
app.command("penstock.cli.import_:import_", name="import", help="Take a GRU that another program trained.")
app.command(
    "penstock.cli.serve:serve", help="Answer over HTTP: write on, score, embed, predict; states in clients' hands."
)
app.command("penstock.cli.agree:agree", help="Measure how often a model prefers the good of two sentences.")
app.command("penstock.cli.lab:lab", help="Run the textbook's claims, and show which hold.")
app.command("penstock.cli.bench:bench", help="Measure this machine, and Penstock beside its peers.")
app.command(
    "penstock.cli.info:info",
    help="Show versions, instruction sets and backends, and why each was chosen or not.",
)


@app.meta.default
def _run(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(show_env_var=False)] = None,
    debug: Annotated[bool, Parameter(negative=(), show_env_var=False)] = False,
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
        _settle,
    )
    # a lone "-" would be taken for an option, here and only here
    before = ("", *tokens)
    named = ["/dev/stdin" if token == "-" and before[k] not in LITERAL else token for k, token in enumerate(tokens)]
    return app(named, exit_on_error=False, print_error=False, result_action="return_value")


def main() -> None:
    """Runs the command line and exits: 0 done, 1 failed, 2 bad input, 128 + n stopped by signal n."""
    debug = "--debug" in sys.argv
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda number, _: sys.exit(128 + number))  # what is half done is cleared away
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - print would write to standard output instead
    sys.stdout = _Output.of(sys.stdout or open(os.devnull, "w"))  # noqa: SIM115 - None where whoever started us closed it
    try:
        status = app.meta(exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # the reader of our output is gone, as with "| head": nothing is wrong, and nothing more can be said
        _silence()
        status = 0
    except (PenstockError, CycloptsError, OSError, MemoryError) as error:
        if debug:
            raise
        message = " ".join(_message(error).split()).removesuffix(".")
        print(f"penstock: error: {message}", file=sys.stderr)
        status = getattr(error, "status", 2 if isinstance(error, CycloptsError) else 1)
        if isinstance(error, CannotPrint):
            _silence()
    sys.exit(status)


class CannotPrint(PenstockError):
    """Standard output cannot be written."""

    status = 1


class _Output(io.FileIO):
    """Standard output, whose errors are told from those of the files that are written meanwhile."""

    stream: Any

    @classmethod
    def of(cls, stream: Any) -> Any:
        """The same stream; a terminal without a letter shows "?"."""
        raw = cls(stream.fileno(), "w", closefd=False)
        raw.stream = stream  # which would close it if nobody kept it
        lines = bool(stream.line_buffering)
        return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, "replace", line_buffering=lines)

    def write(self, data: Any) -> int:
        """As of any file.

        Raises:
            CannotPrint: it cannot be written.
        """
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CannotPrint(f"standard output: {error.strerror}") from None


def _message(error: Exception) -> str:
    if isinstance(error, UnusedCliTokensError):
        return f"expected nothing more, got {' '.join(error.unused_tokens or ())}"
    if isinstance(error, OSError):
        if error.filename is None and "temporary directory" in str(error):
            return f"{error.strerror}; name a folder that can be written in the environment, TMPDIR"
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    return "out of memory" if isinstance(error, MemoryError) else str(error)


def _silence() -> None:
    """Lets what is left for a standard output that cannot be written go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


LITERAL = ("--prompt", "--text")
"""Options whose value may be a dash."""

BUDGETS = ("--minutes", "--steps", "--epochs")


def _settle(_: Any, __: Any, arguments: Any) -> None:
    """After all sources have spoken: the highest one that names a budget names it, and no number is rounded."""
    budgets = [argument for argument in arguments if argument.name in BUDGETS]
    for source in ("cli", "env"):
        if any(token.source == source for budget in budgets for token in budget.tokens):
            for budget in budgets:
                budget.tokens[:] = [token for token in budget.tokens if token.source == source]
    SAID.clear()
    for argument in arguments:
        if argument.tokens:
            SAID.add(argument.name.removeprefix("--").replace("-", "_"))
        for token in argument.tokens:
            if argument.name not in LITERAL:
                _expect_name(argument, token.value)
        if int in (argument.hint, *get_args(argument.hint)):
            for token in argument.tokens:
                if "." in token.value:
                    raise PenstockError(f"{argument.name}: expected a whole number, got {token.value}")


def _expect_name(argument: Any, value: str) -> None:
    """Raises PenstockError for an empty path, which would be the current folder, and for what is no UTF-8."""
    if Path in (argument.hint, *get_args(argument.hint)) and not value:
        raise PenstockError(f"{argument.name}: expected a path, got an empty one")
    if not is_utf8(value):
        raise PenstockError(f"{argument.name}: expected a name in UTF-8, got {value!a}; rename it")


def _toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        settings: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PenstockError(f"--config: {path}: cannot be read as TOML: {error}") from None
    verbs = [name for name in app if not name.startswith("-")]
    for name, table in settings.items():
        if name not in verbs or not isinstance(table, dict):
            raise PenstockError(f"--config: {path}: expected tables named {', '.join(sorted(verbs))}, got {name!r}")
    return settings
