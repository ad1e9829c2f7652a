"""What gru_rows.h computes by itself: exp and log1p in float64."""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export import compiled

from penstock import engine

SHIM = """
#include <stdint.h>
#define GRU_COLUMNS 1
#define GRU_CLOCKED 0
#define GRU_USUAL_STEP 1.0
#define GRU_GAP 0
#define GRU_MISSES 1
typedef struct { double moment, seen[1], last[1]; int begun; } gru_rows;
typedef struct { double center, spread, rate; int misses; uint32_t places, codes; const uint8_t *place; } gru_column;
static const gru_column gru_columns[1] = {{0.0, 1.0, 0.1, 1, 0, 0, 0}};
double exponential(double x);
double logarithm(double x);
void features(gru_rows *rows, const float *row, double time, float *x);
"""
CALLS = """
double exponential(double x) { return gru_exp_double(x); }
double logarithm(double x) { return gru_log1p(x); }
void features(gru_rows *rows, const float *row, double time, float *x) { gru_features(rows, row, time, x); }
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Any:
    source = Path(tmp_path_factory.mktemp("rows") / "rows.c")
    source.write_text(SHIM + engine.text("gru_rows.h") + CALLS)
    found = compiled.library(source.with_suffix(".so"), [source])
    for function in (found.exponential, found.logarithm):
        function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double]
    return found


def test_exp_and_log_are_those_of_the_runtime_to_a_few_units_of_float64(rows: Any) -> None:
    x = np.concatenate([[0.0, 1e-300, 0.34657359, 0.3465736], np.geomspace(1e-12, 700, 3000)])
    for sign in (1, -1):
        got = np.array([rows.exponential(value) for value in (sign * x).tolist()])
        np.testing.assert_allclose(got, np.exp(sign * x), rtol=1e-15)
    x = np.concatenate([[0.0, 1.0, 0.41421356, 0.41421357, 2.0**53], np.geomspace(1e-18, 1e15, 3000)])
    np.testing.assert_allclose([rows.logarithm(value) for value in x.tolist()], np.log1p(x), rtol=1e-15)
