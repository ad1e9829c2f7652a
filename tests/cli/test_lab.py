"""``penstock lab`` through its real entry point."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import penstock


def test_one_experiment_prints_its_claims_and_writes_the_page(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = penstock("lab", "limits", "--seeds", 2, "--out", out)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^z = 1: the state unchanged\n  state after 1 … 10,000 steps .* 0\n", done.stdout, re.MULTILINE)
    assert done.stdout.count("\n  holds\n") == 3
    assert "criterion: no difference to the last bit, in both forms" in done.stdout
    assert f"3 of 3 claims hold; with pictures: {out}" in done.stdout
    assert re.fullmatch(r"1 of 1  limits  \d+ s\n", done.stderr)
    page = out.read_text(encoding="utf-8")
    assert "更新门为 1 时，隐状态原样保留" in page
    assert (tmp_path / "report-live.html").stat().st_size < 300_000


def test_json_is_one_object(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    facts = json.loads(penstock("lab", "limits", "--quick", "--out", out, "--json").stdout)
    assert (facts["quick"], facts["seeds"], facts["report"]) == (True, 1, str(out))
    assert facts["live"] == str(tmp_path / "report-live.html")
    assert [claim["holds"] for claim in facts["claims"]] == [True, True, True]
    assert facts["claims"][2]["figures"]["state after 1 … 10,000 steps from the initial one"] == [0.0]
    assert {"en", "zh"} == set(facts["claims"][0]["claim"])


@pytest.mark.slow
def test_a_claim_that_does_not_hold_is_shown_so_and_the_status_is_0(tmp_path: Path) -> None:
    """That the state attends to the subject itself is false: the number is written a word or two later."""
    done = penstock("lab", "verb-and-subject", "--quick", "--out", tmp_path / "lab.html")
    assert done.returncode == 0, done.stderr
    assert "\n  does not hold\n" in done.stdout
    assert "0 of 1 claims hold" in done.stdout
    assert "--quick trains too little for some claims" in done.stdout
    page = (tmp_path / "lab.html").read_text(encoding="utf-8")
    assert "✗ does not hold" in page
    assert page.count("<svg") == 1
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["gates"],
            "NAME: expected some of limits, odd-one-out, long-memory, fresh-starts, agreement, verb-and-subject, "
            "two-gates, soft-gates, time-gaps, got gates",
        ),
        (["limits", "--seeds", "0"], "--seeds: expected 1 or more, got 0"),
        (["limits", "--out", "FOLDER"], "expected a file to write, got a folder; name a file in it"),
        (["limits", "--out", "FOLDER/no/lab.html"], "no/lab.html: cannot be written: No such file or directory"),
    ],
)
def test_bad_input_is_one_line_and_status_2_before_anything_is_trained(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = penstock("lab", *(argument.replace("FOLDER", str(tmp_path)) for argument in arguments))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("package", "extra"), [("torch", "train"), ("matplotlib", "plot")])
def test_what_is_missing_is_named(package: str, extra: str) -> None:
    hide = (
        "import importlib.util as u, sys; find = u.find_spec;"
        f"u.find_spec = lambda name, *a: None if name == {package!r} else find(name, *a);"
        "sys.argv = ['penstock', 'lab']; from penstock.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"penstock: error: lab needs {package}, which is not installed: pip install 'penstock[{extra}]'\n"
    )
