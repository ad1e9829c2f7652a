"""The report: every claim with its figures, criterion, tables and pictures, as one self-contained page of HTML."""

import platform
from collections.abc import Sequence
from html import escape
from pathlib import Path

import torch

from penstock import __version__, files
from penstock.lab.claim import Claim, Effort, Table

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
svg { width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.8rem 0; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.9rem 0.25rem 0; border-bottom: 1px solid var(--line); text-align: left; font-weight: normal;
         vertical-align: top; }
td:not(:first-child) { white-space: nowrap; }
thead th { color: var(--faint); }
.holds { color: var(--yes); font-weight: 600; }
.fails { color: var(--no); font-weight: 600; }
@media print { h2, figure, table { break-inside: avoid; } }
"""


def write(path: Path, claims: Sequence[Claim], effort: Effort) -> None:
    """Writes the page.

    Raises:
        PenstockError: it cannot be written; what was there before is unchanged.
    """
    files.write(path, page(claims, effort))


def page(claims: Sequence[Claim], effort: Effort) -> str:
    """The page: a summary, then a section a claim, in English and in Chinese."""
    holding = sum(claim.holds for claim in claims)
    summary = "".join(
        f'<tr><td><a href="#claim-{k}">{escape(claim.name)}</a></td><td>{verdict(claim)}</td></tr>'
        for k, claim in enumerate(claims)
    )
    trained = "quick, which trains too little for some claims" if effort.quick else "full"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="{files.MADE}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Penstock: the lab</title>
<style>{STYLE}</style>
</head>
<body>
<h1>The lab</h1>
<p>Claims of the textbook about the gated recurrent unit, run on this machine: {holding} of {len(claims)} hold.</p>
<p lang="zh">教科书关于门控循环单元的论断，在本机上逐一检验：{len(claims)} 条中有 {holding} 条成立。</p>
<p><small>Effort: {trained}; seeds: {effort.seeds}. A figure is the mean over the seeds, with the range in brackets.
Penstock {escape(__version__)}, PyTorch {escape(torch.__version__)}, {escape(platform.machine())}.</small></p>
<table>{summary}</table>
{"".join(section(k, claim) for k, claim in enumerate(claims))}
</body>
</html>
"""


def section(k: int, claim: Claim) -> str:
    """One claim."""
    figures = "".join(f"<tr><td>{escape(name)}</td><td>{escape(str(f))}</td></tr>" for name, f in claim.figures.items())
    pictures = "".join(
        f'<figure role="img" aria-label="{escape(picture.caption)}">{picture.svg}'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
        for picture in claim.pictures
    )
    return f"""<section id="claim-{k}">
<h2>{escape(claim.name)}</h2>
<p>{escape(claim.says.en)}</p>
<p lang="zh">{escape(claim.says.zh)}</p>
<p><small>{escape(claim.done.en)}</small></p>
<p lang="zh"><small>{escape(claim.done.zh)}</small></p>
<div class="scroll"><table>{figures}</table></div>
<p>{verdict(claim)} <small>Criterion: {escape(claim.criterion.en)}.</small></p>
<p lang="zh"><small>标准：{escape(claim.criterion.zh)}。</small></p>
{"".join(map(grid, claim.tables))}{pictures}
</section>
"""


def verdict(claim: Claim) -> str:
    """Whether it holds, in words and not by colour alone."""
    return '<span class="holds">✓ holds</span>' if claim.holds else '<span class="fails">✗ does not hold</span>'


def grid(table: Table) -> str:
    """Figures by row and column."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", *table.columns))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(str(cell))}</td>" for cell in cells)}</tr>'
        for name, cells in table.rows.items()
    )
    return (
        f'<div class="scroll"><table><caption>{escape(table.title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
