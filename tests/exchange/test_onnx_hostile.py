"""ONNX files that mean harm, or are broken: one line, bounded memory and time, and nothing of this machine is read."""

import contextlib
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock import PenstockError
from penstock.exchange import from_onnx

onnx = pytest.importorskip("onnx", reason="the package onnx reads its files")
H, D = 2, 3
SHAPES = {"W": (1, 3 * H, D), "R": (1, 3 * H, H), "B": (1, 6 * H)}


def tensor(name: str, **changes: Any) -> Any:
    made = onnx.numpy_helper.from_array(np.ones(SHAPES[name], np.float32), name)
    for field, value in changes.items():
        if field == "dims":
            del made.dims[:]
            made.dims.extend(value)
        else:
            setattr(made, field, value)
    return made


def model(*tensors: Any, nodes: Any = ()) -> Any:
    """A GRU whose weights are these, and ones where there is none."""
    named = {name: tensor(name) for name in SHAPES} | {one.name: one for one in tensors}
    node = onnx.helper.make_node("GRU", ["X", "W", "R", "B"], ["Y"], name="gru", hidden_size=H)
    values = [onnx.helper.make_tensor_value_info(name, 1, None) for name in ("X", "Y")]
    graph = onnx.helper.make_graph([*nodes, node], "g", values[:1], values[1:], list(named.values()))
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])


def refused(model: Any) -> str:
    with pytest.raises(PenstockError) as error:
        from_onnx(model)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dims": [1 << 40, 1 << 40]}, "more than 2,147,483,648 bytes in all"),
        ({"dims": [1, 1 << 31]}, "more than 2,147,483,648 bytes in all"),
        ({"dims": [1, 6, 400]}, "W: expected 9,600 bytes for (1, 6, 400), got 72"),
        ({"dims": [-1, 6, 3]}, "W: expected a whole tensor of at most 8 axes, got (-1, 6, 3)"),
        ({"dims": [1] * 5000 + [6, 3]}, "W: expected a whole tensor of at most 8 axes"),
        ({"raw_data": b"\0" * 71}, "W: expected 72 bytes for (1, 6, 3), got 71"),
        ({"raw_data": b"\0" * 73}, "W: expected 72 bytes for (1, 6, 3), got 73"),
        ({"raw_data": b"\xff" * 72}, "weight_ih: expected finite numbers, got nan"),
        ({"data_type": 11}, "W: expected 144 bytes for (1, 6, 3), got 72"),
        ({"data_type": 8}, "W: expected float, double or float16, got STRING"),
        ({"data_type": 9999}, "W: expected float, double or float16, got 9999"),
        ({"data_type": 6}, "W: expected numbers of W's type, int32, got int32"),
        ({"dims": [1, 3, 6]}, "W: expected (1, 6, 6), got (1, 3, 6)"),
        ({"dims": [18]}, "W: expected (1, 6, 18), got (18,)"),
        ({"dims": []}, "W: expected 4 bytes for (), got 72"),
        ({"dims": [1, 6, 0], "raw_data": b""}, "W: expected (1, 6, 0), got (1, 6, 0)"),
    ],
)
def test_a_tensor_that_is_not_what_it_claims(changes: dict[str, Any], says: str) -> None:
    assert says in refused(model(tensor("W", **changes)))


def test_typed_fields_of_another_length() -> None:
    one = tensor("R")
    one.ClearField("raw_data")
    one.float_data.extend([1.0] * 11)
    assert "R: expected 12 numbers for (1, 6, 2), got 11" in refused(model(one))


def external(tmp_path: Path, location: str, **more: int) -> Path:
    one = tensor("W", data_location=onnx.TensorProto.EXTERNAL)
    one.ClearField("raw_data")
    for key, value in {"location": location, **more}.items():
        one.external_data.add(key=key, value=str(value))
    path = tmp_path / "folder" / "model.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(model(one).SerializeToString())
    return path


def test_data_beside_the_model_is_read(tmp_path: Path) -> None:
    path = external(tmp_path, "some/data.bin", offset=8, length=72)
    (path.parent / "some").mkdir()
    (path.parent / "some" / "data.bin").write_bytes(b"\0" * 8 + np.arange(18, dtype="<f4").tobytes())
    found = from_onnx(path).directions[0].weight_ih
    np.testing.assert_array_equal(found[:H], np.arange(18.0).reshape(6, 3)[H : 2 * H])


@pytest.mark.parametrize(
    "location", ["../secret", "sub/../../secret", "{absolute}", "", ".", "link", "linked/secret", "pipe", "a\0b"]
)
def test_data_elsewhere_is_not_read(tmp_path: Path, location: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\0" * 72)
    path = external(tmp_path, location.format(absolute=secret))
    (path.parent / "link").symlink_to(secret)
    (path.parent / "linked").symlink_to(tmp_path)
    os.mkfifo(path.parent / "pipe")
    assert "external data: expected a file in the model's folder" in refused(path)


def test_data_that_is_not_there_or_too_short(tmp_path: Path) -> None:
    path = external(tmp_path, "data.bin")
    assert "'data.bin': cannot be read: No such file" in refused(path)
    (path.parent / "data.bin").write_bytes(b"\0" * 71)
    assert "'data.bin': expected 72 bytes, got 71" in refused(path)
    for wrong in ({"offset": -8}, {"length": 1 << 40}, {"offset": 1 << 70}):
        path = external(tmp_path, "data.bin", **wrong)
        assert "bytes of external data from 0 or more on" in refused(path) or "'data.bin': expected 1,180" in refused(
            path
        )
    assert "give the path of the model" in refused(path.read_bytes())


def test_what_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    whole = model().SerializeToString()
    for content in (b"", b"PK\3\4 a zip", whole[:-7], os.urandom(300), b"\x08\x08"):
        path.write_bytes(content)
        assert str(path) in refused(path)
    assert "expected an ONNX file, got none" in refused(tmp_path / "none.onnx")
    assert "expected an ONNX file, got a folder" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "expected an ONNX file, got none" in refused(tmp_path / "pipe.onnx")
    with path.open("wb") as file:
        file.truncate(1 << 40)  # of no bytes on the disk
    assert "1,099,511,627,776 bytes; an ONNX file has 2,147,483,648 at most" in refused(path)


def test_every_truncation_is_refused() -> None:
    whole = model().SerializeToString()
    read = 0
    for end in range(0, len(whole), 5):
        with contextlib.suppress(PenstockError):
            from_onnx(whole[:end])
            read += 1
    assert read < 5  # of a file that lacks its end alone


def field(number: int, content: bytes) -> bytes:
    """Of a message, by hand: protobuf does not write what it does not read."""
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


@pytest.mark.parametrize("depth", [5, 20, 5000])
def test_graphs_in_graphs(depth: int) -> None:
    graph = field(1, onnx.helper.make_node("GRU", ["a", "b", "c"], ["d"]).SerializeToString())
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))  # a node's attribute is a graph
    opset = field(8, onnx.helper.make_opsetid("", 17).SerializeToString())
    inside = "holds no GRU node; 1 inside of other nodes or functions, which are not read"
    assert refused(opset + field(7, graph)) == "model: " + (inside if depth < 100 else "not a whole ONNX file")


def test_constants_that_would_grow(tmp_path: Path) -> None:
    """Each joins two of the one before: 2^40 times the weights; and a chain of ten thousand nodes."""
    node = onnx.helper.make_node
    nodes = [node("Concat", [f"w{k}", f"w{k}"], [f"w{k + 1}"], axis=0) for k in range(40)]
    doubled = model(onnx.numpy_helper.from_array(np.ones((1, 6, 300), np.float32), "w0"), nodes=nodes)
    doubled.graph.node[-1].input[1] = "w40"
    assert "w11: with it, more than 16,806,016 bytes would be made of the weights in the file" in refused(doubled)
    nodes = [node("Identity", [f"w{k}"], [f"w{k + 1}"]) for k in range(10_000)]
    long = model(onnx.numpy_helper.from_array(np.ones((1, 6, 3), np.float32), "w0"), nodes=nodes)
    long.graph.node[-1].input[1] = "w10000"
    assert "expected a constant behind at most 64 nodes" in refused(long)


def test_constants_that_cannot_be_computed() -> None:
    node = onnx.helper.make_node
    for kind, more in (
        ("Transpose", {"perm": [0, 0]}),
        ("Reshape", {}),
        ("Slice", {"starts": [0]}),
        ("Cast", {"to": 99}),
    ):
        made = model(
            onnx.numpy_helper.from_array(np.ones((1, 6, 3), np.float32), "w0"),
            nodes=[node(kind, ["w0"], ["w"], **more)],
        )
        made.graph.node[-1].input[1] = "w"
        assert f"w: {kind} cannot be computed: " in refused(made)


def test_a_loop_of_nodes_ends() -> None:
    node = onnx.helper.make_node
    made = model(nodes=[node("Identity", ["b"], ["a"]), node("Identity", ["a"], ["b"])])
    made.graph.node[-1].input[1] = "a"
    assert "constant behind at most 64 nodes" in refused(made)


def test_a_process_with_little_memory_refuses_a_large_claim(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model(tensor("W", dims=[1, 6, 80_000_000])).SerializeToString())  # 1.9 GB, and 72 bytes are there
    code = "import sys\nfrom penstock.exchange import from_onnx\nfrom_onnx(sys.argv[1])"
    found = subprocess.run(
        [sys.executable, "-c", code, path],
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert "PenstockError" in found.stderr.splitlines()[-1], found.stderr
    assert "W: expected 1,920,000,000 bytes for (1, 6, 80000000), got 72" in found.stderr.splitlines()[-1]
