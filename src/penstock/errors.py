"""The error of bad input: one line that says what was wrong, what was expected and what to do."""


class PenstockError(Exception):
    """Input, a file or a setting that cannot be used. The command line prints it alone and exits with status 2.

    Wrong arguments to a function raise ``ValueError`` and ``TypeError`` as everywhere in Python; this class is for what
    comes from outside the program.
    """

    status = 2
    """The exit status of the command line."""


class NotText(PenstockError):
    """Bytes that are no text. What helps depends on what a verb offers: ``advised`` says it.

    Args:
        what: what was wrong.
        replace: whether U+FFFD may stand in the place of some bytes.
        note: what helps whatever the verb.
    """

    def __init__(self, what: str, replace: bool = False, note: str = "") -> None:
        super().__init__(what, replace, note)  # as pickle calls it again
        self._what, self._replace, self._note = what, replace, note

    def __str__(self) -> str:
        return "; ".join(filter(None, (self._what, self._note)))

    def advised(self, *, vocab: bool) -> PenstockError:
        """The error of a verb that has --errors, and --vocab if so."""
        ways = ["go on with --errors replace"] * self._replace
        ways += [f"{'or ' * self._replace}--vocab byte reads its bytes"] * vocab
        return PenstockError("; ".join(filter(None, (self._what, ", ".join(ways), self._note))))
