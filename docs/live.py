"""The site's live page: a small model of English sentences whose verbs agree with their subjects, trained here and now.

`python docs/live.py FOLDER` writes live.html into the folder of the site; some two minutes on two cores.
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from penstock.lab.grammar import sentence

SENTENCES, LONGEST = 40_000, 12
TEXTS = "the cat, which the dogs often hear,", "the cats, which the dogs often hear,"


def main(site: Path) -> None:
    """Trains, and writes the page."""
    with tempfile.TemporaryDirectory() as folder:
        rows, model = Path(folder, "sentences.jsonl"), Path(folder, "cat")
        draw = random.Random(0)
        texts = (" ".join(sentence(draw, draw.randint(0, LONGEST)).words) for _ in range(SENTENCES))
        rows.write_text(
            "".join(json.dumps({"text": text.replace(" ,", ",").replace(" .", ".")}) + "\n" for text in texts)
        )
        sizes = ["--vocab", "bpe", "--vocab-size", "400", "--hidden", "64", "--steps", "1200"]
        for command in (
            ["train", rows, "--out", model, *sizes],
            ["look", model, "--live", "--out", site / "live.html", "--text", TEXTS[0], "--text", TEXTS[1]],
        ):
            subprocess.run([sys.executable, "-m", "penstock", *command], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
