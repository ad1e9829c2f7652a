"""The maps as pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from traces import of_numbers

import penstock
from penstock import LanguageModel, PenstockError
from penstock.look.pictures import maps, save_maps
from penstock.look.trace import Trace
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import CharVocabulary

TEXT = "the $cat_^\\ 猫 sat\n"


@pytest.fixture(scope="module")
def trace() -> Trace:
    torch.manual_seed(0)
    vocabulary = CharVocabulary(TEXT)
    return penstock.trace(LanguageModel(LanguageConfig(len(vocabulary), StackConfig(6, 20)), vocabulary), TEXT)


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF"), ("a.PNG", b"\x89PNG")]
)
def test_formats(trace: Trace, tmp_path: Path, name: str, start: bytes) -> None:
    save_maps(tmp_path / name, [trace, trace.between(2, 9)], 0)
    content = (tmp_path / name).read_bytes()
    assert content.startswith(start)
    if start == b"\x89PNG":  # the others name their parts by positions, of which a last bit may differ
        save_maps(tmp_path / name, [trace, trace.between(2, 9)], 0)
        assert (tmp_path / name).read_bytes() == content


def test_what_is_drawn_is_what_the_trace_holds(trace: Trace) -> None:
    layer, figure = trace.layers[0], maps([trace], 0)
    drawn = [axes.images[0].get_array() for axes in figure.axes if axes.images and axes.get_ylabel()]
    np.testing.assert_array_equal(drawn[0], np.sqrt(layer.attention()[:, 1:]))
    order = np.argsort(-layer.half_life(), kind="stable")
    for image, name in zip(drawn[1:], ("update", "reset", "candidate", "hidden"), strict=True):
        np.testing.assert_array_equal(image, getattr(layer, name)[:, order].T)


def test_numeric_and_long(tmp_path: Path) -> None:
    trace = penstock.trace(penstock.GRU(3, 4, bidirectional=True), torch.randn(200, 3))
    save_maps(tmp_path / "a.png", [trace], 1)
    assert maps([trace], 1).axes[-1] is not None


def test_steps_of_a_part_are_those_of_the_whole() -> None:
    part = of_numbers(300).between(100, 300)
    axes = maps([part], 0).axes[5]
    assert axes.xaxis.get_major_formatter()(50) == "150"


def test_another_name_is_refused(trace: Trace, tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"a\.bmp: expected a name that ends in \.png, \.svg, \.pdf"):
        save_maps(tmp_path / "a.bmp", [trace], 0)
