"""A model as C99: one header, one source with its constant data, and a program that tests them."""

from pathlib import Path

from penstock.export.c_header import header
from penstock.export.c_source import data, source
from penstock.export.c_test import test_program
from penstock.export.model import CModel, load_for_c
from penstock.export.written import write_export

KIND = "C export"
STACK = 512
"""Bytes of a processor's stack beside the arrays that a step has there, about."""


def export(folder: Path, out: Path, *, force: bool) -> list[str]:
    """Writes the model of ``folder`` into ``out``: gru.h, gru.c, gru_data.h and gru_test.c.

    Returns:
        lines that say what it takes.

    Raises:
        PenstockError: C cannot say this model, or ``out`` cannot be written.
    """
    model = load_for_c(folder)
    arrays, constants = data(model)
    facts = _facts(model, constants)
    files = {
        "gru.h": header(model, facts),
        "gru.c": source(model),
        "gru_data.h": arrays,
        "gru_test.c": test_program(model),
    }
    write_export(KIND, folder, out, files, force=force)
    return [
        *facts,
        f"wrote {', '.join(str(out / name) for name in files)}",
        f"Prove it: cc -std=c99 -O2 {out}/gru.c {out}/gru_test.c -lm && ./a.out",
    ]


def _facts(model: CModel, constants: int) -> list[str]:
    """Memory and work, in lines."""
    stack, kind = model.stack, "float32" if model.fixed is None else "w8a16, whole numbers"
    layers = f"{stack.num_layers} layer{'s' * (stack.num_layers > 1)} of {stack.hidden_size} units"
    return [
        f'GRU in {kind}: {layers}, reset="{stack.reset}"',
        f"flash: {constants:,} bytes of constants, and the code",
        f"RAM: {_state_bytes(model):,} bytes a state; on the stack about {_stack_bytes(model):,} in a step",
        f"work: {model.multiply_adds:,} multiply-adds a step",
    ]


def _state_bytes(model: CModel) -> int:
    """Of a gru_state."""
    size = model.stack.num_layers * model.width * model.bytes
    if model.rows:
        size += 16 * len(model.runtime.features.columns) + 16
    if model.kind in ("texts", "segments"):
        size += model.width * 4 + 4
    if model.kind == "segments":
        features = model.runtime.features.size
        size += (model.runtime.config.segment * 2 + 1) * features * 4 + 4
    return -(-size // 8) * 8


def _stack_bytes(model: CModel) -> int:
    numbers = 5 * model.width + model.stack.input_size
    if model.kind == "segments":
        numbers += model.stack.num_layers * model.width + model.runtime.features.size
    if model.kind in ("texts", "segments"):
        numbers += model.reads
    return model.bytes * numbers + STACK
