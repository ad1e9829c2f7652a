"""The runtimes that read ONNX models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from penstock.bench.problem import Array, Problem, Run


def onnx_model(problem: Problem) -> bytes:
    """The plain call as an ONNX model: x (L, N, D) and h_0 (1, N, H) to output (L, 1, N, H) and h_n (1, N, H).

    ONNX's GRU has its gates in the order z, r, h, and computes reset="after" where linear_before_reset is 1.
    """
    N, L, D, H = problem.shape

    def in_order(array: Array) -> Array:
        return np.concatenate([array[H : 2 * H], array[:H], array[2 * H :]])

    w_ih, w_hh, b_ih, b_hh = map(in_order, problem.weights)
    weights = {"W": w_ih[None], "R": w_hh[None], "B": np.concatenate([b_ih, b_hh])[None]}

    def values(shapes: dict[str, tuple[int, ...]]) -> list[Any]:
        return [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, size) for name, size in shapes.items()]

    node = helper.make_node(
        "GRU", ["x", "W", "R", "B", "", "h_0"], ["output", "h_n"], hidden_size=H, linear_before_reset=1
    )
    graph = helper.make_graph(
        [node],
        "gru",
        values({"x": (L, N, D), "h_0": (1, N, H)}),
        values({"output": (L, 1, N, H), "h_n": (1, N, H)}),
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    # versions that every runtime of the last years reads
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def onnxruntime_inference(problem: Problem) -> Run:
    """ONNX Runtime."""
    session = _session(problem)
    feeds = {"x": problem.x, "h_0": problem.h_0[None]}

    def run() -> list[Any]:
        output, h_n = session.run(None, feeds)
        return [output[:, 0], h_n[0]]

    return run


def onnxruntime_step(problem: Problem) -> Callable[[Array], Array]:
    """From a state (1, H) to the next, by ONNX Runtime."""
    session = _session(problem)

    def step(state: Array) -> Array:
        h_n: Array = session.run(["h_n"], {"x": problem.x, "h_0": state[None]})[0][0]
        return h_n

    return step


def _session(problem: Problem) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = problem.threads, 1
    return onnxruntime.InferenceSession(onnx_model(problem), options, providers=["CPUExecutionProvider"])


def openvino_inference(problem: Problem) -> Run:
    """OpenVINO."""
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": problem.threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # left alone, it is bfloat16 where the processor has that
    }
    runtime = openvino.Core()
    request = runtime.compile_model(runtime.read_model(onnx_model(problem)), "CPU", settings).create_infer_request()
    inputs = [problem.x, problem.h_0[None]]

    def run() -> list[Any]:
        results = request.infer(inputs, share_inputs=True, share_outputs=True)
        return [results[0][:, 0], results[1][0]]

    return run
