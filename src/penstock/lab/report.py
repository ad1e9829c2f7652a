"""The report: every claim with its figures, criterion, tables and pictures, as one self-contained page of HTML.

A claim's section stands under its key, so that a page elsewhere can point to it: `lab.html#mouse`.
"""

import platform
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import torch

from penstock import __version__, files
from penstock.lab.claim import Claim, Effort, Table, Words
from penstock.look.live import training_page

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fdfdfb; --faint: #6a6a70; --line: #d9d9d4;
        --yes: #17704a; --no: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e4; --paper: #18191b; --faint: #a0a0a6; --line: #3a3b3e; --yes: #6fd3a3; --no: #ff9d94; }
}
body { max-width: 48rem; margin: 0 auto; padding: 1.5rem; background: var(--paper); color: var(--ink);
       font: 1rem/1.55 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
h2 { margin: 3rem 0 0.3rem; font-size: 1.2rem; }
a { color: inherit; }
p { margin: 0.3rem 0; }
small, figcaption, caption { color: var(--faint); font-size: 0.85rem; text-align: left; }
figure { margin: 1.2rem 0; }
svg { width: 100%; min-width: 34rem; height: auto; }
:root[data-language="en"] :not(button)[lang="zh-Hans"], :root[data-language="zh-Hans"] :not(button)[lang="en"],
:root:not([data-language]) svg [lang="zh-Hans"]
  { display: none; }
:root:not([data-language]) span[lang="en"] + span[lang="zh-Hans"]::before { content: " "; }
.languages { float: right; }
button { font: inherit; font-size: 0.9rem; padding: 0.2rem 0.7rem; color: inherit; background: none;
         border: 1px solid var(--line); border-radius: 0.4rem; }
button[aria-pressed="true"] { background: var(--ink); color: var(--paper); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.8rem 0; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.9rem 0.25rem 0; border-bottom: 1px solid var(--line); text-align: left; font-weight: normal;
         vertical-align: top; }
td:not(:first-child) { white-space: nowrap; }
thead th { color: var(--faint); }
.holds { color: var(--yes); font-weight: 600; }
.fails { color: var(--no); font-weight: 600; }
@media print { svg { min-width: 0; } .languages { display: none; } h2, figure, table { break-inside: avoid; } }
"""

TITLE = Words("Penstock: the lab", "Penstock：实验室")
FAILS = Words("✗ does not hold", "✗ 不成立")
LIVE = Words("See it live", "亲手试一试")
TRAINED_LIVE = {
    "mouse": "odd 16 before none 1",
    "lasting": "bit 16 before none 1",
    "fading": "bit 16 before update 1",
    "cat": "verb 16 before none 1",
    "subject": "verb 16 before none 1",
    "two": "bit 16 before reset 1",
}
"""How a page that trains is set to show a claim: task, units, form of the reset gate, gate taken away, seed."""
SCRIPT = f"""
const titles = {{"en": "{TITLE.en}", "zh-Hans": "{TITLE.zh}"}};
const buttons = [...document.querySelectorAll(".languages button")];
function speak(language) {{
  document.documentElement.lang = document.documentElement.dataset.language = language;
  document.title = titles[language];
  for (const button of buttons) button.setAttribute("aria-pressed", button.value === language);
}}
for (const button of buttons) button.addEventListener("click", () => speak(button.value));
buttons[0].parentElement.hidden = false;
speak(/^zh\\b/i.test(navigator.language) ? "zh-Hans" : "en");
"""


def live_beside(path: Path) -> Path:
    """Where the page that trains stands, for one of the claims at ``path``."""
    return path.with_name(f"{path.stem}-live.html")


def write(path: Path, claims: Sequence[Claim], effort: Effort) -> None:
    """Writes the page, and beside it the one that trains, which its claims link.

    Raises:
        PenstockError: it cannot be written; what was there before is unchanged.
    """
    files.write(live_beside(path), training_page("Penstock lab"))
    files.write(path, page(claims, effort, quote(live_beside(path).name)))


def page(claims: Sequence[Claim], effort: Effort, live: str) -> str:
    """The page: a summary, then a section a claim, in English or in Chinese; without its script, in both.

    ``live`` is the address of the page that trains.
    """
    holding = sum(claim.holds for claim in claims)
    summary = "".join(
        f'<tr><td><a href="#{claim.key}">{spoken(claim.name)}</a></td><td>{verdict(claim)}</td></tr>'
        for claim in claims
    )
    about = Words(
        f"Claims of the textbook about the gated recurrent unit, run on this machine: {holding} of {len(claims)} hold.",
        f"教科书关于门控循环单元的论断，在本机上逐一检验：{len(claims)} 条中有 {holding} 条成立。",
    )
    quick = Words("quick, which trains too little for some claims", "快速，对部分论断来说训练不足")
    trained = quick if effort.quick else Words("full", "完整")
    versions = f"Penstock {__version__}, PyTorch {torch.__version__}, {platform.machine()}"
    how = Words(
        f"Effort: {trained.en}; seeds: {effort.seeds}. A figure is the mean over the seeds, with the range in "
        f"brackets. {versions}.",
        f"训练量：{trained.zh}；种子数：{effort.seeds}。数值为各种子的平均，括号内为范围。{versions}。",
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="{files.MADE}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{TITLE.en}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<p class="languages" hidden><button type="button" value="en" lang="en">English</button>
<button type="button" value="zh-Hans" lang="zh-Hans">中文</button></p>
<h1>{spoken(Words("The lab", "实验室"))}</h1>
<p>{spoken(about)}</p>
<p><small>{spoken(how)}</small></p>
<table>{summary}</table>
{"".join(section(claim, live) for claim in claims)}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def section(claim: Claim, live: str) -> str:
    """One claim."""
    figures = "".join(f"<tr><td>{spoken(name)}</td><td>{escape(str(f))}</td></tr>" for name, f in claim.figures.items())
    pictures = "".join(
        f'<figure><div class="scroll" role="img" tabindex="0" aria-labelledby="{claim.key}-{k}">{picture.svg}</div>'
        f'<figcaption id="{claim.key}-{k}">{spoken(picture.caption)}</figcaption></figure>'
        for k, picture in enumerate(claim.pictures)
    )
    shown = TRAINED_LIVE.get(claim.key)
    touched = f'<p><a href="{live}#train={quote_plus(shown)}">{spoken(LIVE)}</a></p>\n' if shown else ""
    criterion = Words(f"Criterion: {claim.criterion.en}.", f"标准：{claim.criterion.zh}。")
    return f"""<section id="{claim.key}">
<h2>{spoken(claim.name)}</h2>
<p>{spoken(claim.says)}</p>
<p><small>{spoken(claim.done)}</small></p>
{touched}<div class="scroll" tabindex="0"><table>{figures}</table></div>
<p>{verdict(claim)} <small>{spoken(criterion)}</small></p>
{"".join(map(grid, claim.tables))}{pictures}
</section>
"""


def verdict(claim: Claim) -> str:
    """Whether it holds, in words and not by colour alone."""
    kind, words = ("holds", Words("✓ holds", "✓ 成立")) if claim.holds else ("fails", FAILS)
    return f'<span class="{kind}">{spoken(words)}</span>'


def grid(table: Table) -> str:
    """Figures by row and column."""
    head = "".join(f'<th scope="col">{spoken(name)}</th>' for name in table.columns)
    body = "".join(
        f'<tr><th scope="row">{spoken(name)}</th>{"".join(f"<td>{escape(str(cell))}</td>" for cell in cells)}</tr>'
        for name, cells in table.rows.items()
    )
    return (
        f'<div class="scroll" tabindex="0"><table><caption>{spoken(table.title)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def spoken(words: Words) -> str:
    """In both languages, of which the page shows one; what is the same in both stands there once."""
    if words.en == words.zh:
        return escape(words.en)
    return f'<span lang="en">{escape(words.en)}</span><span lang="zh-Hans">{escape(words.zh)}</span>'
