"""The error of bad input: one line that says what was wrong, what was expected and what to do."""


class PenstockError(Exception):
    """Input, a file or a setting that cannot be used. The command line prints it alone and exits with status 2.

    Wrong arguments to a function raise ``ValueError`` and ``TypeError`` as everywhere in Python; this class is for what
    comes from outside the program.
    """

    status = 2
    """The exit status of the command line."""
