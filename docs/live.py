"""The site's live page: a small model of English sentences whose verbs agree with their subjects, trained here and now.

`python docs/live.py FOLDER` writes live.html into the folder of the site; some minute on two idle cores.
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from penstock import load
from penstock.files import write
from penstock.lab.grammar import sentence
from penstock.look.live import live_page

TEXTS, SENTENCES, LONGEST = 3_500, 6, 12
SHOWN = "the cat, which the dogs often hear,", "the cats, which the dogs often hear,"


def one(draw: random.Random) -> str:
    """A sentence."""
    return " ".join(sentence(draw, draw.randint(0, LONGEST)).words).replace(" ,", ",").replace(" .", ".")


def main(site: Path) -> None:
    """Trains, and writes the page."""
    with tempfile.TemporaryDirectory() as folder:
        rows, model = Path(folder, "sentences.jsonl"), Path(folder, "cat")
        draw = random.Random(0)
        with rows.open("w") as file:
            for _ in range(TEXTS):
                file.write(json.dumps({"text": "".join(f"{one(draw)}\n" for _ in range(SENTENCES))}) + "\n")
        sizes = ["--vocab", "bpe", "--vocab-size", "400", "--hidden", "64", "--steps", "2000"]
        subprocess.run([sys.executable, "-m", "penstock", "train", rows, "--out", model, *sizes], check=True)
        write(
            site / "live.html", live_page(load(model), *SHOWN, title="A GRU of 64 units, trained on a little English")
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
