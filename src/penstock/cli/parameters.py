"""Parameters that several verbs share."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Folder = Annotated[Path, Parameter(name="DIR")]
"""A model."""

Flag = Annotated[bool, Parameter(negative=())]
"""A switch without its opposite."""

Json = Annotated[bool, Parameter(name="--json", negative=())]
"""Whether a program reads the result."""
