"""Models that are exported to C for the targets, into the folder named: `python models.py FOLDER`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from export import made

from penstock.export.c import export
from penstock.model_folder import StackConfig

root = Path(sys.argv[1])
before, after = StackConfig(11, 37, 2, "before"), StackConfig(24, 48, 2, "after", residual=True)
models = {
    "text": made.language(root / "text", before),
    "text-after": made.language(root / "text-after", after),
    "rows": made.series(root / "rows", made.LABELS, made.features(), reset="after", num_layers=2),
    "segments": made.series(root / "segments", made.NUMBERS, made.features(gap=False), segment=3, reset="before"),
}
for name, folder in models.items():
    export(folder, root / "c" / f"{name}-float32", force=False)
    export(made.in_8_bits(folder), root / "c" / f"{name}-w8a16", force=False)
for H in (64, 128, 256):
    folder = made.language(root / str(H), StackConfig(H, H, 1, "after"))
    export(made.in_8_bits(folder), root / "count" / str(H), force=False)
