"""The lesson says the same in both languages: pages, headings, figures, code, commands and where links lead."""

import ast
import json
import re
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from docs.pages import DOCS, blocks, formulas, headings, links

EN, ZH = DOCS / "lesson" / "en", DOCS / "lesson" / "zh"
BOTH = sorted(path.name for path in EN.iterdir())


def test_same_pages() -> None:
    assert sorted(path.name for path in ZH.iterdir()) == BOTH


@pytest.mark.parametrize("page", BOTH)
def test_same_headings_figures_and_links(page: str) -> None:
    en, zh = EN / page, ZH / page
    assert [tag for tag, _ in headings(en)] == [tag for tag, _ in headings(zh)]

    def targets(path: Path) -> list[str]:
        here = path.parent.name
        found = [re.sub(r"#.*", "", link) for link in links(path) if "d2l.ai" not in link]
        return sorted(re.sub(rf"(?<=[./]){here}(?=[./])", "LANGUAGE", link) for link in found)

    assert targets(en) == targets(zh)


@pytest.mark.parametrize("page", BOTH)
def test_same_code(page: str) -> None:
    en, zh = blocks(EN / page), blocks(ZH / page)
    assert [block.kind for block in en] == [block.kind for block in zh]
    for ours, theirs in zip(en, zh, strict=True):
        if ours.kind == "python":
            assert _code(ours.content) == _code(theirs.content)
        elif ours.kind == "text" or "penstock" in ours.content:
            assert ours.content == theirs.content


@pytest.mark.parametrize("page", BOTH)
def test_same_mathematics(page: str) -> None:
    def without_words(path: Path) -> list[str]:
        return [re.sub(r"\\(text|tag){.*?}", "", tex).replace(" ", "") for tex in formulas(path)]

    assert without_words(EN / page) == without_words(ZH / page)


@pytest.mark.parametrize("page", BOTH)
def test_same_figures_to_touch(page: str) -> None:
    def settings(path: Path) -> list[tuple[str, ...]]:
        text = path.read_text(encoding="utf-8")
        figures = re.findall(r'<div class="unit"(.*?)></div>', text)
        assert all(json.loads(choices) for choices in re.findall(r"data-choices='(.*?)'", text))
        return [tuple(re.findall(r'data-(?:x|unit|gates)="[^"]*"|\{[^}]*\}', figure)) for figure in figures]

    assert settings(EN / page) == settings(ZH / page)


NUMBERED = [page for page in BOTH if page[0].isdigit()]


@pytest.mark.parametrize("language", [EN, ZH], ids=["en", "zh"])
@pytest.mark.parametrize("page", NUMBERED)
def test_each_page_has_a_question_and_a_solved_exercise(page: str, language: Path) -> None:
    text = (language / page).read_text(encoding="utf-8")
    assert text.count('<details class="question">') == text.count("<summary>") == text.count("</details>") == 1
    assert f"../../notebooks/{language.name}/{page.removesuffix('.md')}.ipynb" in links(language / page)


TERMS = {
    EN: [
        "active low",
        "soft update",
        "vanishing",
        "long-range dependence",
        "degenerates",
        "subject–verb agreement",
        "nats",
        "minimal pair",
        "Reset gates help capture short-term dependencies in sequences",
        "Update gates help capture long-term dependencies in sequences",
    ],
    ZH: [
        "低电平有效",
        "软更新",
        "梯度消失",
        "长期依赖",
        "退化",
        "主谓一致",
        "奈特",
        "最小对立对",
        "重置门有助于捕获序列中的短期依赖关系",
        "更新门有助于捕获序列中的长期依赖关系",
    ],
}


@pytest.mark.parametrize("language", [EN, ZH], ids=["en", "zh"])
def test_the_textbooks_terms_are_used_and_explained(language: Path) -> None:
    lesson = "\n".join((language / page).read_text(encoding="utf-8") for page in NUMBERED)
    for term in TERMS[language]:
        assert term.lower() in lesson.lower().replace("\n", " "), term
    explained = {text for _, text in headings(language / "glossary.md")}
    linked = set(re.findall(r"glossary\.md#([^)]+)", lesson))
    assert linked <= {re.sub(r"\W+", "-", text.lower()) for text in explained}
    assert len(linked) >= 9
    assert len(re.findall("active low", lesson)) == 1  # said once; elsewhere a gate keeps or writes, shows or hides


SAID = r"(open|opens|shut|shuts|close|closes|closed)"
OF_NO_GATE = re.compile(
    rf"\bgates? ((that|is|are|was|stands?|half) )*{SAID}\b|\b{SAID} (the |a |its |each )?(\w+ )?gates?\b"
    rf"|\b(unit|one) {SAID}\b|门[^，。；]{{0,6}}(打开|关闭|关上|半开|合上)|(打开|关闭|关上|合上)[^，。；]{{0,4}}门",
    re.IGNORECASE,
)


def test_no_gate_is_open_or_shut() -> None:
    """In a circuit both gates are active low, and readers take such words in opposite senses."""
    for wrong in ("the update gate opens", "a gate is shut", "it closes the reset gate", "更新门打开", "关上重置门"):
        assert OF_NO_GATE.search(wrong)
    kinds = {".py", ".json", ".js", ".html", ".md", ".ipynb"}
    places = [
        DOCS.parent / "src",
        DOCS / "lesson",
        DOCS / "how-to",
        DOCS / "notebooks",
        DOCS / "figures",
        DOCS / "reference",
    ]
    for path in (path for place in places for path in place.rglob("*") if path.suffix in kinds):
        text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))
        assert not (found := OF_NO_GATE.search(text)), f"{path}: {found[0]}"


QUOTED = [
    ("1-why-gates.md", "odd-one-out", "attention of the final state on it (equal shares: 1%)", ".0%"),
    ("1-why-gates.md", "odd-one-out", "accuracy", ".0%"),
    ("2-two-gates.md", "soft-gates", "reset gate r below 0.1", ".0%"),
    ("2-two-gates.md", "soft-gates", "reset gate r above 0.9", ".0%"),
    ("2-two-gates.md", "soft-gates", "update gate z below 0.1", ".0%"),
    ("2-two-gates.md", "soft-gates", "update gate z above 0.9", ".0%"),
    ("3-candidate.md", "fresh-starts", "r where a customer starts", ".3f"),
    ("3-candidate.md", "fresh-starts", "r inside", ".2f"),
    ("3-candidate.md", "fresh-starts", "squared error / variance, GRU", ".0%"),
    ("3-candidate.md", "fresh-starts", "with r forced to 1 after training", ".0f"),
    ("3-candidate.md", "fresh-starts", "trained without reset gate", ".0%"),
]
"""Page, experiment, figure and how the page writes it: the mean over the seeds."""


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """The lab's last claim of each experiment, as `make figures` found it."""
    found = json.loads((DOCS / "figures" / "lab.json").read_text(encoding="utf-8"))
    assert not found["quick"]
    return {claim["experiment"]: claim for claim in found["claims"]}


@pytest.mark.parametrize(("page", "experiment", "figure", "form"), QUOTED)
def test_numbers_are_those_of_the_lab(
    page: str, experiment: str, figure: str, form: str, measured: dict[str, Any]
) -> None:
    number = format(mean(measured[experiment]["figures"][figure]), form)
    for language in (EN, ZH):
        assert re.search(rf"(?<![\d.]){re.escape(number)}", (language / page).read_text(encoding="utf-8")), number


def test_the_table_is_that_of_the_lab(measured: dict[str, Any]) -> None:
    (table,) = measured["two-gates"]["tables"]
    rows = [[format(mean(cell), ".0%") for cell in cells] for cells in table["rows"].values()]
    for language in (EN, ZH):
        text = (language / "6-why-two.md").read_text(encoding="utf-8")
        shown = [re.findall(r"\d+%", line) for line in text.splitlines() if line.startswith("|")]
        assert [row for row in shown if row] == rows


def _code(source: str) -> str:
    """Without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)
