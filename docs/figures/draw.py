"""Draws every figure of the lesson, by the project's own commands: `make figures`. Some minutes.

The model of the page about the cat is made by that page's own lines; the lab's pictures are taken out of its report.
Work is done in build/figures. What the pages show comes here: pictures, and lab.json with the numbers.
"""

import re
import shlex
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "figures"
CAT = (HERE.parent / "lesson" / "en" / "5-the-cat.md").read_text(encoding="utf-8")

OF_THE_LAB = {
    "mouse": "One sequence: how strongly each item is written",
    "copy": "The first bit, told after so many steps",
    "gradient": "‖∂h_T/∂h_t‖ of the trained models",
    "starts": "One sequence of customers",
    "agreement": "Agreement by words of the clause",
    "attractors": "Agreement by attractors",
    "verb": "What the state before",
    "gates": "Both gates over held-out text",
}
"""File, and how its caption in the lab's report begins."""


def penstock(*words: str) -> str:
    """Runs a command in the work folder; what it prints."""
    print("penstock", shlex.join(words), flush=True)
    command = [sys.executable, "-m", "penstock", *words]
    return subprocess.run(command, cwd=WORK, check=True, stdout=subprocess.PIPE, text=True).stdout


def draw_the_cat() -> None:
    """The page's corpus, its model, and the maps of its two sentences."""
    corpus = re.search(r"```python\n(.*?)```", CAT, re.DOTALL)
    train = re.search(r"^    penstock (train cats\.txt .*)$", CAT, re.MULTILINE)
    texts = re.findall(r'--text "(.*?)"', CAT)[:2]
    assert corpus
    assert train
    subprocess.run([sys.executable, "-c", corpus[1]], cwd=WORK, check=True)
    penstock(*shlex.split(train[1]), "--force")
    asked = [word for text in texts for word in ("--text", text)]
    penstock("look", "runs/cats", *asked, "--png", str(HERE / "cat.png"))


def draw_the_lab() -> None:
    """The pictures of the report, each as a file of its own, on white."""
    (HERE / "lab.json").write_text(penstock("lab", "--out", "lab.html", "--json"), encoding="utf-8")
    report = (WORK / "lab.html").read_text(encoding="utf-8")
    found = re.findall(r'aria-label="([^"]*)">(<svg.*?</svg>)', report, re.DOTALL)
    for name, beginning in OF_THE_LAB.items():
        (svg,) = [svg for caption, svg in found if unescape(caption).startswith(beginning)]
        if "xmlns=" not in svg:
            svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        (HERE / f"{name}.svg").write_text(svg + "\n", encoding="utf-8")


if __name__ == "__main__":
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    draw_the_cat()
    draw_the_lab()
