"""The pictures of answers hold every answer once, and forecasts know nothing of what they are drawn beside."""

import numpy as np

from penstock.look.answers import _confusion


def test_each_answer_is_counted_once() -> None:
    figure = _confusion(("a", "b", "long name"), np.array([[1, 1, 0], [0, 1, 0], [0, 0, 2]]))
    axis = figure.axes[0]
    written = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axis.texts}
    assert written == {(t, a): str(n) for (t, a), n in np.ndenumerate([[1, 1, 0], [0, 1, 0], [0, 0, 2]])}
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b", "long name"]


def test_many_classes_are_shades_alone() -> None:
    classes = tuple(map(str, range(30)))
    assert not _confusion(classes, np.eye(30, dtype=int)).axes[0].texts
