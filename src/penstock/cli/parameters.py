"""Parameters that several verbs share."""

from typing import Annotated

from cyclopts import Parameter

Flag = Annotated[bool, Parameter(negative=())]
"""A switch without its opposite."""

Json = Annotated[bool, Parameter(name="--json", negative=())]
"""Whether a program reads the result."""
