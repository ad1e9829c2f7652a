"""What the peers are given."""

import numpy as np
import pytest
from helpers import oracle

from penstock.bench.problem import draw
from penstock.bench.shapes import Shape


def test_the_onnx_model_is_the_equations() -> None:
    pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    from penstock.bench.peers.in_onnx import onnx_model

    problem = draw(Shape(3, 5, 4, 6), 1)
    want = oracle(problem.x, problem.h_0, list(problem.weights), reset="after")
    evaluator = reference.ReferenceEvaluator(onnx_model(problem))
    output, h_n = evaluator.run(None, {"x": problem.x, "h_0": problem.h_0[None]})
    np.testing.assert_allclose(h_n[0], want.h_n, atol=1e-6)
    np.testing.assert_allclose(output[:, 0], want.hidden, atol=1e-6)
