"""Whole models as ONNX graphs: what goes in as it comes, the layers, and what comes out as it is read.

One graph serves a sequence and, with L = 1, a step. Letters: L steps, N batch, K layers, H hidden units, V tokens, C
columns.
"""

from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import PenstockError
from penstock.exchange.layers import Layers
from penstock.exchange.model import of_folder
from penstock.exchange.onnx_graph import OnnxDrawing
from penstock.exchange.onnx_layers import draw_stack, to_onnx
from penstock.exchange.onnx_rows import draw_rows, draw_segments, draw_steps_of
from penstock.exchange.packages import package
from penstock.model_folder import CONFIG, TOKENIZER, load_model
from penstock.model_folder.content import read_config
from penstock.model_folder.series import SeriesAnswer, SeriesFiles, load_series_model
from penstock.model_folder.states import TASK as STATES
from penstock.series import Features

Drawn = tuple[Any, list[str]]


def draw(folder: Path) -> Drawn:
    """The model of a folder as an onnx.ModelProto, and what is to be said of its inputs and outputs.

    Raises:
        PenstockError: there is no whole model, or ONNX cannot say it.
    """
    task = read_config(folder)["task"]
    if task == "forecast":
        raise PenstockError(
            f"{folder}: onnx: of models that forecast there is no graph yet, since their windows are cut and scaled "
            "outside of the network; penstock predict and penstock serve compute them"
        )
    layers = of_folder(folder)
    if task == STATES:
        model = to_onnx(layers)
        said = _said(model)
    elif task == "language":
        model, said = _language(folder, layers)
    else:
        model, said = _series(folder, load_series_model(folder), layers)
    about = {"penstock.format": "1", "penstock.holds": task, CONFIG: (folder / CONFIG).read_text("utf-8")}
    if (folder / TOKENIZER).is_file():
        about[TOKENIZER] = (folder / TOKENIZER).read_text("utf-8")
    package("onnx", folder).helper.set_model_props(model, about)
    return model, [*said, f"its metadata holds {' and '.join(list(about)[2:])}, which say what the numbers mean"]


def _language(folder: Path, layers: Layers) -> Drawn:
    config, _, weights = load_model(folder)
    drawing = OnnxDrawing()
    tokens = drawing.input("tokens", np.int64, ["L", "N"])
    state = _state(drawing, layers)
    embedding = drawing.constant("embedding", weights["embedding.weight"])
    x = drawing.node("Gather", [embedding, tokens], axis=0)
    top, after = draw_stack(drawing, layers, x, state)
    if config.tied:
        output = drawing.node("Transpose", [embedding], perm=[1, 0])
    else:
        output = drawing.constant("output", weights["output.weight"].T)
    logits = drawing.node("MatMul", [top, output])
    logits = drawing.node("Add", [logits, drawing.constant("output.bias", weights["output.bias"])])
    expected = drawing.node("LogSoftmax", [logits], axis=-1)
    drawing.output("log_probabilities", expected, np.float32, ["L", "N", config.vocabulary_size])
    _new_state(drawing, layers, after)
    model = drawing.model("what is expected after each token, and the state there", {})
    return model, _said(model)


def _series(folder: Path, files: SeriesFiles, layers: Layers) -> Drawn:
    """Of rows or of texts: answers at each step, or with segments one to each sequence."""
    drawing, whole = OnnxDrawing(), bool(files.config.segment)
    notes: list[str] = []
    if files.vocabulary is not None:
        tokens = drawing.input("tokens", np.int64, ["L", "N"])
        x = drawing.node("Gather", [drawing.constant("embedding", files.weights["embedding.weight"]), tokens], axis=0)
        longest = int(files.reads["longest"])
        notes.append(f"of a text at most {longest:,} tokens are to be given, as in training")
    else:
        features = Features.from_json(files.reads["features"])
        x, rows_notes = draw_rows(drawing, features, remembers=not whole)
        notes += rows_notes
    steps = drawing.input("lengths", np.int64, ["N"]) if whole else None
    if steps is not None and files.vocabulary is None:
        x, steps = draw_segments(drawing, x, steps, files.config.segment)
    if steps is None:
        top, after = draw_stack(drawing, layers, x, _state(drawing, layers))
    else:
        zeros = drawing.constant("state.zero", np.zeros(1, np.float32))
        sizes = [drawing.constant("state.layers", np.array([len(layers.layers)], np.int64))]
        sizes += [drawing.node("Shape", [steps]), drawing.constant("state.units", np.array([layers.output_size]))]
        state = drawing.node("Expand", [zeros, drawing.node("Concat", sizes, axis=0)])
        top, after = draw_stack(drawing, layers, x, state)
        top = draw_steps_of(drawing, top, steps)
    output = drawing.constant("output", files.weights["output.weight"].T)
    answers = drawing.node("MatMul", [top, output])
    answers = drawing.node("Add", [answers, drawing.constant("output.bias", files.weights["output.bias"])])
    dtype = _answers(drawing, files.answer, answers, [*([] if whole else ["L"]), "N", files.config.outputs])
    if not whole:
        _new_state(drawing, layers, after)
    model = drawing.model(f"{files.answer.kind} of {', '.join(files.answer.targets)}", {})
    if files.answer.kind != "numbers":
        names = files.answer.classes or files.answer.targets
        notes.append(f"answers are {dtype}, by their places: {', '.join(names[:8])}{', …' * (len(names) > 8)}")
    return model, [*_said(model), *notes]


def _answers(drawing: OnnxDrawing, answer: SeriesAnswer, outputs: str, axes: list[int | str]) -> str:
    """The graph's output ``answers``, as ``AnswerRuntime.answers`` gives them; in words what they are."""
    if answer.kind == "numbers":
        wide = drawing.cast(outputs, np.float64)
        wide = drawing.node("Mul", [wide, drawing.constant("answer.spread", np.array(answer.spread, np.float64))])
        wide = drawing.node("Add", [wide, drawing.constant("answer.center", np.array(answer.center, np.float64))])
        drawing.output("answers", wide, np.float64, axes)
        return "numbers"
    odds = drawing.node("Softmax", [outputs], axis=-1) if answer.kind == "class" else drawing.node("Sigmoid", [outputs])
    drawing.output("answers", odds, np.float32, axes)
    return "probabilities"


def _state(drawing: OnnxDrawing, layers: Layers) -> str:
    return drawing.input("state", np.float32, [len(layers.layers), "N", layers.output_size])


def _new_state(drawing: OnnxDrawing, layers: Layers, after: str) -> None:
    drawing.output("new_state", after, np.float32, [len(layers.layers), "N", layers.output_size])


def _said(model: Any) -> list[str]:
    """The inputs and outputs in words."""

    def listed(values: Any) -> str:
        shapes = []
        for value in values:
            tensor = value.type.tensor_type
            kind = {1: "float32", 7: "int64", 11: "float64"}[tensor.elem_type]
            axes = ", ".join(axis.dim_param or str(axis.dim_value) for axis in tensor.shape.dim)
            shapes.append(f"{value.name} ({axes}) {kind}")
        return "; ".join(shapes)

    carries = any(one.name.startswith("h_n") or one.name == "new_state" for one in model.graph.output)
    step = "; a call with L = 1 is one step" if carries else ""
    return [f"reads {listed(model.graph.input)}", f"gives {listed(model.graph.output)}{step}"]
