"""What ``isinstance`` sees: a module that computes what one of torch's computes is found where that one is looked for.

Real inheritance would do, but ``torch.compile`` refuses every real subclass of ``torch.nn.GRU``. So such a module's
``__class__`` is a face: to ``isinstance`` a subclass of its own class and of torch's, in all else its own class.
"""

import functools
from typing import Any

from torch import nn


class _Face(type):
    """The type of faces. What is done to a face is done to the class behind it, as parametrizations and FSDP do."""

    behind: type[nn.Module]

    def __new__(meta, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        return type(name, tuple(map(behind, bases)), namespace, **options)  # derived from a face: no face

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        return cls.behind(*arguments, **options)

    def __setattr__(cls, name: str, value: Any) -> None:
        setattr(cls.behind, name, value)

    def __delattr__(cls, name: str) -> None:
        delattr(cls.behind, name)

    def __eq__(cls, other: object) -> bool:
        return cls is other or cls.behind is other

    def __hash__(cls) -> int:
        return hash(cls.behind)

    __bases__ = property(lambda cls: cls.behind.__bases__)


class _Unannounced:
    """Comes first in a face, so that a user's ``__init_subclass__`` does not hear of it."""

    def __init_subclass__(cls, **options: Any) -> None:
        pass


@functools.lru_cache(64)  # of classes that parametrizations make there is one a module
def seen_as(cls: Any, torchs: Any) -> type[nn.Module]:
    """The face of a class that is to be seen as torch's class too."""
    kind = _Face if type(cls) is type else type("_Face", (_Face, type(cls)), {})
    kept = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    make: Any = super(_Face, kind).__new__  # type: ignore[misc]
    return make(kind, cls.__name__, (_Unannounced, cls, torchs), {**kept, "behind": cls})  # type: ignore[no-any-return]


def behind(cls: type) -> type:
    """The class behind a face; any other class is itself."""
    return cls.behind if isinstance(cls, _Face) else cls
