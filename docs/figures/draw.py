"""Draws every figure of the lesson, by the project's own commands: `make figures`. Some minutes.

The model of the page about the cat is made by that page's own lines, and what they print is put there; the lab's
pictures are taken out of its report. Work is done in build/figures. What the pages show comes here: pictures, and
lab.json with the numbers, which tests compare with those that the pages quote. The words are for a person to mend.
"""

import contextlib
import io
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

from penstock.look.plates import HEIGHTS, plate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "figures"
PAGES = [HERE.parent / "lesson" / language / "5-the-cat.md" for language in ("en", "zh")]
CAT = PAGES[0].read_text(encoding="utf-8")

OF_THE_LAB = {
    "mouse": "One sequence: how strongly each item is written",
    "copy": "Accuracy by distance",
    "gradient": "The trained models' ‖∂h_T/∂h_t‖",
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
    """The page's corpus, its model, the maps of its two sentences, and what its lines find in them."""
    corpus, find = re.findall(r"```python\n(.*?)```", CAT, re.DOTALL)[:2]
    train = re.search(r"^    penstock (train cats\.txt .*)$", CAT.replace("\\\n", " "), re.MULTILINE)
    texts = re.findall(r'--text "(.*?)"', CAT)[:2]
    assert train
    os.chdir(WORK)
    exec(corpus, {})
    penstock(*shlex.split(train[1]), "--force")
    asked = [word for text in texts for word in ("--text", text)]
    penstock("look", "runs/cats", *asked, "--png", str(HERE / "cat.png"))
    found = io.StringIO()
    with contextlib.redirect_stdout(found):
        exec(find, {})
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shown = re.sub(r"(?<=```text\n)unit .*?(?=```)", lambda _: found.getvalue(), text, flags=re.DOTALL)
        page.write_text(shown, encoding="utf-8")


def draw_the_lab() -> None:
    """The pictures of the report, each as a file of its own, on white."""
    (HERE / "lab.json").write_text(penstock("lab", "--out", "lab.html", "--json"), encoding="utf-8")
    report = (WORK / "lab.html").read_text(encoding="utf-8")
    pattern = r'(<svg(?:(?!<svg).)*?</svg>)</div><figcaption id="[^"]*"><span lang="en">(.*?)</span>'
    found = [(caption, svg) for svg, caption in re.findall(pattern, report, re.DOTALL)]
    for name, beginning in OF_THE_LAB.items():
        (svg,) = [svg for caption, svg in found if unescape(caption).startswith(beginning)]
        if "xmlns=" not in svg:
            svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        for other, ending in (("zh-Hans", "svg"), ("en", "zh.svg")):
            spoken = re.sub(rf'<text[^>]* lang="{other}">[^<]*</text>', "", svg)
            (HERE / f"{name}.{ending}").write_text(spoken + "\n", encoding="utf-8")


def draw_the_circuit() -> None:
    """The textbook's five pictures of the unit, in both languages."""
    for stage, language in itertools.product(HEIGHTS, ("en", "zh")):
        (HERE / f"circuit-{stage}.{language}.svg").write_text(plate(stage, language), encoding="utf-8")


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # torch adds up in another order on more threads, and trains another model
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    draws = {"cat": draw_the_cat, "lab": draw_the_lab, "circuit": draw_the_circuit}
    for name in sys.argv[1:] or draws:
        draws[name]()
