"""ONNX graphs drawn with the package ``onnx`` alone: inputs, nodes, constants and outputs, one by one."""

from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.exchange.packages import package
from penstock.files import MADE

OPSET, IR = 17, 8
"""Versions of the operators and of the file that every runtime of the last years reads."""

Array = NDArray[Any]
Axes = Sequence[int | str]


class OnnxDrawing:
    """A graph in the making. A value is known by its name.

    Args:
        prefix: before the names of nodes and constants of a graph that stands inside of another.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.onnx = package("onnx", "ONNX")
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        """A constant; of one name there is one."""
        name = self._prefix + name
        if name not in self._constants:
            self._constants[name] = self.onnx.numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def node(self, operator: str, inputs: Sequence[str], outputs: int | Sequence[str] = 1, **attributes: Any) -> Any:
        """What an operator makes of values: its output, or a list of several; named by the caller, or by number."""
        name = f"{self._prefix}{operator}_{len(self._nodes)}"
        names = [f"{name}_{k}" for k in range(outputs)] if isinstance(outputs, int) else list(outputs)
        self._nodes.append(
            self.onnx.helper.make_node(operator, inputs, names, attributes.pop("name", name), **attributes)
        )
        return names[0] if len(names) == 1 else names

    def cast(self, value: str, dtype: Any) -> str:
        """The value as another type."""
        return str(self.node("Cast", [value], to=self._kind(dtype)))

    def input(self, name: str, dtype: Any, axes: Axes) -> str:
        """An input of the graph; an axis with a name is free."""
        self._inputs.append(self.onnx.helper.make_tensor_value_info(name, self._kind(dtype), axes))
        return name

    def output(self, name: str, value: str, dtype: Any, axes: Axes) -> None:
        """An output of the graph."""
        self.node("Identity", [value], [name])
        self._outputs.append(self.onnx.helper.make_tensor_value_info(name, self._kind(dtype), axes))

    def graph(self, about: str) -> Any:
        """The graph as an onnx.GraphProto."""
        constants = list(self._constants.values())
        named = self.onnx.helper.make_graph
        return named(self._nodes, "penstock", self._inputs, self._outputs, constants, doc_string=about)

    def model(self, about: str, told: dict[str, str]) -> Any:
        """The whole as an onnx.ModelProto, with ``told`` as its metadata."""
        helper = self.onnx.helper
        opset, version = helper.make_opsetid("", OPSET), metadata.version("penstock")
        made = helper.make_model(self.graph(about), opset_imports=[opset], ir_version=IR, producer_name=MADE)
        made.producer_version = version
        helper.set_model_props(made, told)
        return made

    def _kind(self, dtype: Any) -> int:
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
