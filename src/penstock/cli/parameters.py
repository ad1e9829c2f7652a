"""Parameters that several verbs share."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Folder = Annotated[Path, Parameter(name="DIR")]
"""A model."""

Flag = Annotated[bool, Parameter(negative=())]
"""A switch without its opposite."""

SAID: set[str] = set()
"""The settings that a flag, the environment or a file speaks of, by their names in Python, whatever they say."""

Json = Annotated[bool, Parameter(name="--json", negative=())]
"""Whether a program reads the result."""
