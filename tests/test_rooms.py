"""The rooms as CONTRIBUTING.md draws them: imports point downwards, in no circle, and some rooms never reach torch. No
two classes bear one name.

All imports of the source are read, without running it: those inside functions and those for types alone too.
"""

import ast
import graphlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import penstock

FLOORS = (
    "__main__",
    "cli",
    "lab bench serve",
    "tasks",
    "train",
    "__init__",
    "look score exchange export quantize",
    "nn",
    "ops runtime web",
    "model_folder",
    "native text series",
    "folder sealed workers",
    "engine",
    "fixed_point",
    "equations gates files layout",
    "errors",
)
"""From the top down: a file imports from its own room and from lower floors. ``__init__`` is the package's own file,
which names what users take from the rooms below."""

LIGHT = (
    "errors files layout folder sealed workers gates equations native text series model_folder runtime web look "
    "score exchange export quantize serve fixed_point engine"
)
"""The rooms that never import torch, whatever one calls."""

TORCH_SIDE = ("penstock.exchange.in_torch",)
"""The files of theirs that make modules of torch's, and do."""

LIGHT_VERBS = "agree eval export generate import_ look prepare quantize score serve"
"""The verbs that only use a trained model, or none."""

START = ("penstock", "penstock.lab", "penstock.bench.measure")
"""What is imported, beside the command line, before torch is known to be needed."""


class Import(NamedTuple):
    """What one line of a file imports."""

    line: int
    modules: tuple[str, ...]
    """Whole names; of ``from a import b`` it is ``a.b`` if that is a module of the tree, else ``a``."""
    typing: bool
    """For type checkers alone."""
    called: bool
    """Inside a function: only when that is called."""


class Tree:
    """The modules of one package, by their names, what each imports, and where each name of a class is defined."""

    def __init__(self, folder: Path) -> None:
        files = {}
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path, parts[:-1]
        self.imports: dict[str, list[Import]] = {}
        self.classes: dict[str, list[str]] = {}
        for module, (path, package) in files.items():
            content = ast.parse(path.read_text("utf-8"))
            self.imports[module] = list(_imports(content, package, set(files)))
            for node in ast.walk(content):
                if isinstance(node, ast.ClassDef):
                    self.classes.setdefault(node.name, []).append(module)

    def room(self, module: str) -> str:
        """Where a module stands; the package's own file is ``__init__``."""
        return module.split(".")[1] if "." in module else "__init__"

    def of(self, rooms: str) -> list[str]:
        """The modules of some rooms."""
        return [module for module in self.imports if self.room(module) in rooms.split()]

    def arrows(self) -> Iterator[tuple[str, int, str]]:
        """Module, line, and the module of this tree that is imported there."""
        for module, found in self.imports.items():
            for line, targets, *_ in found:
                yield from ((module, line, target) for target in targets if target in self.imports)

    def way_to_torch(self, start: str, *, called: bool) -> list[str] | None:
        """From a module over imports to torch; None if there is none. Imports for types alone do not count.

        ``called``: functions are called too, else modules are imported. To import ``a.b`` is to import ``a`` before.
        """
        ways = {module: [module] for module in _with_parents(start) if module in self.imports}
        waiting = [*ways]
        while waiting:
            module = waiting.pop()
            for line, targets, typing, in_function in self.imports[module]:
                if typing or (in_function and not called):
                    continue
                for target in targets:
                    way = [*ways[module][:-1], f"{module}:{line}"]
                    if target not in self.imports and "torch" in target.split("."):
                        return [*way, target]
                    for passed in _with_parents(target):
                        if passed in self.imports and passed not in ways:
                            ways[passed] = [*way, passed]
                            waiting.append(passed)
        return None


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: k + 1]) for k in range(len(parts))]


def _imports(
    node: ast.AST, package: Sequence[str], modules: Collection[str], typing: bool = False, called: bool = False
) -> Iterator[Import]:
    """Those of a file of ``package``, in a tree of ``modules``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from _imports(ast.Module(child.body, []), package, modules, True, called)
            yield from _imports(ast.Module(child.orelse, []), package, modules, typing, called)
        elif isinstance(child, ast.Import):
            yield Import(child.lineno, tuple(alias.name for alias in child.names), typing, called)
        elif isinstance(child, ast.ImportFrom):
            above = package[: len(package) + 1 - child.level] if child.level else ()
            origin = ".".join([*above, *([child.module] if child.module else [])])
            names = (f"{origin}.{alias.name}" for alias in child.names)
            yield Import(child.lineno, tuple(name if name in modules else origin for name in names), typing, called)
        elif isinstance(child, ast.Call) and (name := _loaded(child)):
            yield Import(child.lineno, (name,), typing, called)
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, package, modules, typing, called or function)


def _loaded(call: ast.Call) -> str | None:
    """What ``import_module("…")`` or ``__import__("…")`` loads."""
    function, arguments = ast.unparse(call.func).rpartition(".")[2], call.args
    if function in ("import_module", "__import__") and arguments and isinstance(arguments[0], ast.Constant):
        return str(arguments[0].value)
    return None


def against_the_direction(tree: Tree, floors: Sequence[str]) -> list[str]:
    """The imports that lead up, or across a floor to another room; and the rooms that have no floor."""
    floor_of = {room: floor for floor, rooms in enumerate(floors) for room in rooms.split()}
    rooms = {tree.room(module) for module in tree.imports}
    wrong = [f"{room} stands on no floor" for room in sorted(rooms - set(floor_of))]
    for module, line, target in tree.arrows():
        one, other = tree.room(module), tree.room(target)
        if one != other and {one, other} <= set(floor_of) and floor_of[one] >= floor_of[other]:
            wrong.append(f"{module}:{line} imports {target}, which does not stand below")
    return wrong


def circle(tree: Tree) -> list[str]:
    """Files that import each other in a circle, the first one once more at its end; empty if there is none."""
    targets: dict[str, set[str]] = {module: set() for module in tree.imports}
    for module, _, target in tree.arrows():
        targets[module].add(target)
    try:
        graphlib.TopologicalSorter(targets).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def reaching_torch(tree: Tree, modules: Iterable[str], *, called: bool) -> list[str]:
    """The ways from modules to torch."""
    ways = (tree.way_to_torch(module, called=called) for module in modules)
    return [" → ".join(way) for way in ways if way]


def shared_names(tree: Tree) -> list[str]:
    """The names that stand for several classes, but for those of a file's own that begin with an underscore."""
    return [
        f"{name} is a class of {' and of '.join(modules)}"
        for name, modules in tree.classes.items()
        if len(modules) > 1 and not name.startswith("_")
    ]


@pytest.fixture(scope="module")
def ours() -> Tree:
    return Tree(Path(str(penstock.__file__)).parent)


def test_imports_point_downwards(ours: Tree) -> None:
    assert against_the_direction(ours, FLOORS) == []


def test_no_files_import_each_other_in_a_circle(ours: Tree) -> None:
    assert circle(ours) == []


def test_the_light_rooms_never_import_torch(ours: Tree) -> None:
    verbs = [f"penstock.cli.{verb}" for verb in LIGHT_VERBS.split()]
    assert reaching_torch(ours, [*(set(ours.of(LIGHT)) - set(TORCH_SIDE)), *verbs], called=True) == []
    assert reaching_torch(ours, [*START, *ours.of("cli")], called=False) == []


def test_no_two_classes_bear_one_name(ours: Tree) -> None:
    assert shared_names(ours) == []


def test_every_name_of_these_lists_is_there(ours: Tree) -> None:
    rooms = {ours.room(module) for module in ours.imports}
    assert set(" ".join(FLOORS).split()) == rooms
    assert set(LIGHT.split()) <= rooms
    assert {f"penstock.cli.{verb}" for verb in LIGHT_VERBS.split()} <= set(ours.imports)


def made(folder: Path, files: dict[str, str]) -> Tree:
    """A small tree: three floors of a package p. Each file begins with a line of its own, the imports follow."""
    for name in {"__init__.py", "top/__init__.py", "middle/__init__.py", "bottom.py", *files}:
        path = folder / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('"""A file."""\n' + files.get(name, ""))
    return Tree(folder / "p")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("bottom.py", "from p.middle import Some"),
        ("bottom.py", "def f():\n    import p.top"),
        ("bottom.py", "class A:\n    async def f(self):\n        from .middle import *"),
        ("bottom.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p import middle"),
        ("bottom.py", "import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    from p.middle import Some"),
        ("bottom.py", "if not TYPE_CHECKING:\n    from p.middle import Some"),
        ("bottom.py", "try:\n    import os, p.middle\nexcept ImportError:\n    pass"),
        ("bottom.py", "import importlib\nloaded = importlib.import_module('p.middle')"),
        ("middle/one.py", "from ..top import Some"),
        ("middle/one.py", "from .. import other"),
    ],
)
def test_an_arrow_up_is_found(tmp_path: Path, name: str, code: str) -> None:
    tree = made(tmp_path, {name: code, "other/__init__.py": ""})
    (wrong,) = against_the_direction(tree, ("__init__", "top", "middle other", "bottom"))
    module, line, *_ = wrong.replace(":", " ").split()
    assert module == "p." + name.removesuffix(".py").replace("/", ".")
    assert any(word in code.split("\n")[int(line) - 2] for word in ("top", "middle", "other"))


def test_arrows_down_and_within_a_room_are_none(tmp_path: Path) -> None:
    files = {"top/one.py": "from p.middle import two\nimport p.bottom", "middle/two.py": "from . import three"}
    tree = made(tmp_path, files | {"middle/three.py": "import torch.nn\nfrom p.bottom import x"})
    assert against_the_direction(tree, ("__init__", "top", "middle", "bottom")) == []
    assert circle(tree) == []
    assert against_the_direction(tree, ("__init__", "top", "middle")) == ["bottom stands on no floor"]


@pytest.mark.parametrize(
    "second",
    [
        "from p.middle import one",
        "def f():\n    from .one import Some",
        "if TYPE_CHECKING:\n    import p.middle.one",
    ],
)
def test_a_circle_is_found(tmp_path: Path, second: str) -> None:
    files = {"middle/one.py": "import p.middle.two", "middle/two.py": "from p.middle.three import x"}
    assert circle(made(tmp_path, files)) == []
    tree = made(tmp_path, files | {"middle/three.py": second})
    assert {*circle(tree)} == {"p.middle.one", "p.middle.two", "p.middle.three"}


def test_a_name_of_two_classes_is_found(tmp_path: Path) -> None:
    files = {"top/one.py": "class A: ...\nclass _B: ...", "middle/two.py": "def f():\n    class A: ...\nclass _B: ..."}
    assert shared_names(made(tmp_path, files)) == ["A is a class of p.middle.two and of p.top.one"]
    assert shared_names(made(tmp_path, files | {"top/one.py": "class C: ..."})) == []


@pytest.mark.parametrize(
    ("code", "imported", "called"),
    [
        ("import numpy\nimport torch", "p.middle.two:3 → torch", "p.middle.two:3 → torch"),
        ("from torch.nn import Linear", "p.middle.two:2 → torch.nn", "p.middle.two:2 → torch.nn"),
        ("import safetensors.torch", "p.middle.two:2 → safetensors.torch", "p.middle.two:2 → safetensors.torch"),
        ("def f():\n    import torch", None, "p.middle.two:3 → torch"),
        ("run = lambda: __import__('torch')", None, "p.middle.two:2 → torch"),
        ("if TYPE_CHECKING:\n    import torch", None, None),
        ("if not TYPE_CHECKING:\n    import torch", "p.middle.two:3 → torch", "p.middle.two:3 → torch"),
        ("import torchless", None, None),
        ("from p.bottom import x", "p.middle.two:2 → p.bottom:2 → torch", "p.middle.two:2 → p.bottom:2 → torch"),
        ("from p.top import x", "p.middle.two:2 → p.top:2 → torch", "p.middle.two:2 → p.top:2 → torch"),
        ("import p.top.one", "p.middle.two:2 → p.top:2 → torch", "p.middle.two:2 → p.top:2 → torch"),
    ],
)
def test_the_way_to_torch_is_found(tmp_path: Path, code: str, imported: str | None, called: str | None) -> None:
    files = {"middle/two.py": code, "bottom.py": "import torch", "top/__init__.py": "import torch", "top/one.py": ""}
    tree = made(tmp_path, files)
    assert reaching_torch(tree, tree.of("middle"), called=False) == ([imported] if imported else [])
    assert reaching_torch(tree, ["p.middle.two"], called=True) == ([called] if called else [])
