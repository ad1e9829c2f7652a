"""Models that are exported to C for the targets, into the folder named: `python models.py FOLDER`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from export import made

from penstock.export.c import export
from penstock.model_folder import StackConfig

root = Path(sys.argv[1])
checked = {
    "language": made.language(root / "language", StackConfig(11, 37, 2, "before")),
    "rows": made.series(root / "rows", made.LABELS, made.features(), reset="after", num_layers=2, decay=True),
    "segments": made.series(root / "segments", made.CLASSES, made.features(gap=False), segment=3, reset="after"),
}
for name, folder in checked.items():
    export(folder, root / "c" / name, force=True)
