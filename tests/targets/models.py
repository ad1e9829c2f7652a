"""Models that are exported to C for the targets, into the folder named: `python models.py FOLDER`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from export import made

from penstock.export.c import c_files
from penstock.export.model import CModel, load_for_c
from penstock.model_folder import StackConfig

root = Path(sys.argv[1])


def write(folder: Path, model: CModel) -> None:
    """The C of a model."""
    folder.mkdir(parents=True)
    for name, content in c_files(model)[0].items():
        (folder / name).write_text(content)


before, after = StackConfig(11, 37, 2, "before"), StackConfig(24, 48, 2, "after", residual=True)
models = {
    "text": made.language(root / "text", before),
    "text-after": made.language(root / "text-after", after),
    "rows": made.series(root / "rows", made.LABELS, made.features(), reset="after", num_layers=2),
    "rows-before": made.series(root / "rows-before", made.NUMBERS, made.features(), reset="before", num_layers=2),
    "segments": made.series(root / "segments", made.CLASSES, made.features(gap=False), segment=3, reset="after"),
}
for name, folder in models.items():
    write(root / "c" / f"{name}-float32", load_for_c(folder))
    if name != "segments":
        write(root / "c" / f"{name}-w8a16", made.whole(folder))
for H in (64, 128, 256):
    write(root / "count" / str(H), made.whole(made.language(root / str(H), StackConfig(H, H, 1, "after"))))
