"""LiteRT, TensorFlow Lite's successor, which reads models of its own format: one step, operator by operator.

The format is a FlatBuffer of tensors and operators; the package's own generated classes write it
(``ai_edge_litert.schema_py_generated``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.bench.problem import Array, Problem


def litert_step(problem: Problem, *, int8: bool = False) -> Callable[[Array], Array]:
    """From a state (N, H) to the next as its users call it, by the fastest of its public ways.

    ``int8``: "dynamic range" quantisation, weights of 8 bits a row, activations rounded to 8 bits at every step.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=step_model(problem, int8=int8), num_threads=problem.threads)
    interpreter.allocate_tensors()
    of_x, of_h = (detail["index"] for detail in interpreter.get_input_details())
    of_new = interpreter.get_output_details()[0]["index"]
    x = problem.x[0].copy()

    def step(h: Array) -> Array:
        interpreter.set_tensor(of_x, x)
        interpreter.set_tensor(of_h, h)
        interpreter.invoke()
        new: Array = interpreter.get_tensor(of_new)
        return new

    return step


def step_model(problem: Problem, *, int8: bool = False) -> bytes:
    """x (N, D) and h (N, H) to the new state (N, H), reset="after", as its converters make of Keras's GRU."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    N, _, D, H = problem.shape
    graph = _Graph(schema)
    x, h = graph.tensor((N, D)), graph.tensor((N, H))
    w_ih, w_hh, b_ih, b_hh = problem.weights
    of_x = graph.product(x, w_ih, b_ih, N, int8)
    of_h = graph.product(h, w_hh, b_hh, N, int8)
    gates = graph.constant(np.array([2 * H, H], np.int32)), graph.constant(np.array(1, np.int32))
    split = schema.SplitVOptionsT()
    split.numSplits = 2
    pair = ((N, 2 * H), (N, H))
    x_rz, x_n = graph.operator("SPLIT_V", [of_x, *gates], pair, schema.BuiltinOptions.SplitVOptions, split)
    h_rz, h_n = graph.operator("SPLIT_V", [of_h, *gates], pair, schema.BuiltinOptions.SplitVOptions, split)
    rz = graph.operator("LOGISTIC", [graph.binary("ADD", x_rz, h_rz, (N, 2 * H))], ((N, 2 * H),))[0]
    halves = graph.constant(np.array([H, H], np.int32)), gates[1]
    r, z = graph.operator("SPLIT_V", [rz, *halves], ((N, H),) * 2, schema.BuiltinOptions.SplitVOptions, split)
    shown = graph.binary("MUL", r, h_n, (N, H))
    n = graph.operator("TANH", [graph.binary("ADD", x_n, shown, (N, H))], ((N, H),))[0]
    kept = graph.binary("MUL", z, graph.binary("SUB", h, n, (N, H)), (N, H))
    new = graph.binary("ADD", n, kept, (N, H))
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(graph.model([x, h], [new]).Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _Graph:
    """Tensors and operators as they are added."""

    def __init__(self, schema: Any) -> None:
        self.schema, self.buffers = schema, [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: dict[str, int] = {}

    def tensor(self, shape: tuple[int, ...], dtype: str = "FLOAT32", value: Array | None = None) -> int:
        made = self.schema.TensorT()
        made.shape, made.type, made.name = list(shape), getattr(self.schema.TensorType, dtype), f"t{len(self.tensors)}"
        made.buffer = 0
        if value is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
            self.buffers.append(buffer)
            made.buffer = len(self.buffers) - 1
        self.tensors.append(made)
        return len(self.tensors) - 1

    def constant(self, value: Array) -> int:
        return self.tensor(value.shape, {"f": "FLOAT32", "i": "INT32"}[value.dtype.kind], value)

    def product(self, x: int, weight: Array, bias: Array, rows: int, int8: bool) -> int:
        """x · weightᵀ + bias; of 8 bits each row of the weight has a scale."""
        if int8:
            scale = np.abs(weight).max(1) / 127
            at = self.tensor(weight.shape, "INT8", np.rint(weight / scale[:, None]).astype(np.int8))
            of = self.schema.QuantizationParametersT()
            of.scale, of.zeroPoint = scale.astype(np.float32), np.zeros(len(scale), np.int64)
            of.quantizedDimension = 0
            self.tensors[at].quantization = of
        else:
            at = self.constant(weight)
        options = self.schema.FullyConnectedOptionsT()
        inputs = [x, at, self.constant(bias)]
        kind = self.schema.BuiltinOptions.FullyConnectedOptions
        return self.operator("FULLY_CONNECTED", inputs, ((rows, len(weight)),), kind, options)[0]

    def binary(self, name: str, a: int, b: int, shape: tuple[int, ...]) -> int:
        kind = f"{name.capitalize()}Options"
        options = getattr(self.schema, f"{kind}T")()
        return self.operator(name, [a, b], (shape,), getattr(self.schema.BuiltinOptions, kind), options)[0]

    def operator(
        self, name: str, inputs: list[int], shapes: tuple[tuple[int, ...], ...], kind: int = 0, options: Any = None
    ) -> list[int]:
        made = self.schema.OperatorT()
        made.opcodeIndex = self.codes.setdefault(name, len(self.codes))
        made.inputs, made.outputs = inputs, [self.tensor(shape) for shape in shapes]
        made.builtinOptionsType, made.builtinOptions = kind, options
        self.operators.append(made)
        return list(made.outputs)

    def model(self, inputs: list[int], outputs: list[int]) -> Any:
        graph, model = self.schema.SubGraphT(), self.schema.ModelT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = self.tensors, self.operators, inputs, outputs
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], self.buffers, []
        for name in self.codes:
            code = self.schema.OperatorCodeT()
            code.builtinCode = getattr(self.schema.BuiltinOperator, name)
            code.deprecatedBuiltinCode, code.version = code.builtinCode, 1
            model.operatorCodes.append(code)
        return model
