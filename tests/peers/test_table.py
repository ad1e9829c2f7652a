"""Every cell of the truth table, computed by the program whose format it is, from the file that is written."""

from pathlib import Path

import pytest
from peers import replay
from peers.replay import table

from penstock import PenstockError

REPLAYS = {
    "a model folder": replay.folder,
    "pytorch": replay.pytorch,
    "keras": replay.keras,
    "flax": replay.flax,
    "nnx": replay.nnx,
    "onnx": replay.onnx,
}


@pytest.mark.parametrize("case", table.CASES)
@pytest.mark.parametrize("name", REPLAYS)
def test_a_cell_holds_in_the_program_itself(case: str, name: str, tmp_path: Path) -> None:
    (format,) = (one for one in table.FORMATS if one.name == name)
    layers, path = table.CASES[case], tmp_path / f"gru{format.end}"
    try:
        format.write(layers, path)
    except PenstockError:
        assert table.cell(format, layers).refused
        assert not path.exists()
        return
    x, states, lengths = table.given(layers)
    there = REPLAYS[name](path, layers, x, states, lengths)
    # a folder holds float32, and Keras multiplies matrices of float64 in float32
    bound = table.BOUND["float32" if name in ("a model folder", "keras") else str(layers.dtype)]
    assert table.apart(there, table.computed(layers, x, states, lengths)) <= bound
