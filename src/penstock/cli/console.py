"""Where a verb tells how its work goes."""

import os

import rich.console


class Console(rich.console.Console):
    """Once nobody reads on, as with ``| head``, the work goes on in silence."""

    def on_broken_pipe(self) -> None:
        """Lets what follows go nowhere."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
