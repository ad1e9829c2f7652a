"""What each format can say, and the sentence of a refusal, which names those that can."""

from typing import NoReturn

from penstock.errors import PenstockError

ABLE = {
    'reset="before"': ("keras", "onnx", "c", "web"),
    "residual layers": ("onnx", "c", "web"),
    "unequal sizes": ("keras", "flax", "onnx"),
    "mixed directions": ("keras", "flax", "onnx"),
    "the reverse direction alone": ("onnx",),
    "a recurrent bias of the candidate": ("pytorch", "keras", "flax", "onnx", "c", "web"),
}
"""Of each feature that not every format has, the formats that have it, as ``penstock export --to`` names them."""


def refuse(format: str, feature: str, why: str) -> NoReturn:
    """Raises PenstockError for layers with a feature that the format cannot say."""
    able = ABLE[feature]
    can = f"{', '.join(able[:-1])} and {able[-1]} can" if len(able) > 1 else f"{able[0]} can"
    raise PenstockError(f"{format} cannot say {feature}: {why}; {can}")
