"""What ``penstock train --minutes 1`` reaches on public sets: python benchmarks/sequences.py DATA [SET …] [--seeds …]

DATA holds the sets as their authors publish them (folders cmapss, etth, exchange_rate, fsdd, m4, poly_music, ucr). Each
set is trained on and scored by the commands that a person would type, which stand in sequences.md beside what they
reached: the median over the seeds, and the range. A set that is measured anew takes the place of its line there.
"""

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from penstock.bench.report import machine

DIGITS = "{label}_{speaker}_{take}.wav"


class PublicSet(NamedTuple):
    """One set: how its files are laid out for the commands, and what is read of the result."""

    prepare: Callable[[Path], None]
    """Writes train and test files into the working folder, from DATA."""
    train: str
    score: str
    measures: tuple[str, ...]
    """Of the JSON that eval prints."""
    baseline: str
    """The one it is compared with."""
    reach: str
    minutes: float = 1


def lines(source: Path, out: str, first: int, last: int | None) -> None:
    """Some lines of a text file."""
    content = source.read_bytes()
    text = (gzip.decompress(content) if source.suffix == ".gz" else content).decode()
    Path(out).write_text("".join(text.splitlines(keepends=True)[first:last]))


def engines(source: Path) -> None:
    """C-MAPSS's cycles with a header, and with what is left of each engine's life: at most 125 cycles.

    Of the engines for testing it is known at the last cycle only.
    """
    left = np.loadtxt(source / "RUL_FD001.txt")
    for part in ("train", "test"):
        rows = np.loadtxt(source / f"{part}_FD001.txt")
        last = {unit: rows[rows[:, 0] == unit, 1].max() for unit in np.unique(rows[:, 0])}
        with open(f"cmapss-{part}.csv", "w") as out:
            out.write("unit,cycle," + ",".join(f"s{k}" for k in range(rows.shape[1] - 2)) + ",life\n")
            for row in rows:
                unit, cycle = int(row[0]), int(row[1])
                life = f"{min(125, last[unit] - cycle):g}"
                if part == "test":
                    life = f"{min(125, left[unit - 1]):g}" if cycle == last[unit] else ""
                out.write(f"{unit},{cycle},{','.join(f'{value:g}' for value in row[2:])},{life}\n")


def digits(source: Path) -> None:
    """The recordings in two folders: takes 0 to 4 test."""
    with tarfile.open(source / "fsdd.tar.gz") as archive:
        for member in archive:
            if not member.name.endswith(".wav"):
                continue
            name = Path(member.name).name
            folder = Path("digits-test" if int(name[:-4].split("_")[2]) < 5 else "digits-train")
            folder.mkdir(exist_ok=True)
            read = archive.extractfile(member)
            assert read is not None
            (folder / name).write_bytes(read.read())


def chorales(source: Path) -> None:
    """The pieces of each part as arrays (L, 88)."""
    from scipy.io import loadmat

    content = loadmat(source / "JSB_Chorales.mat")
    for part in ("train", "valid", "test"):
        pieces = content[f"{part}data"].ravel()
        np.savez(f"jsb-{part}.npz", **{f"p{k:03d}": piece.astype(np.float32) for k, piece in enumerate(pieces)})


def electricity(source: Path) -> None:
    """ETTh1's usual parts: 12 and 4 months to train and validate, 4 to test."""
    lines(source / "ETTh1.csv", "ett-train.csv", 0, 1 + 11_520)
    lines(source / "ETTh1.csv", "ett-all.csv", 0, 1 + 14_400)


def exchange(source: Path) -> None:
    """Seven tenths train, one validates, two test."""
    lines(source / "exchange_rate.txt.gz", "exchange-train.txt", 0, 6_071)
    lines(source / "exchange_rate.txt.gz", "exchange-all.txt", 0, None)


def linked(source: Path) -> None:
    """The files as they are."""
    for file in source.glob("*.[ct]sv" if source.name == "m4" else "*.ts"):
        Path(file.name).symlink_to(file)


M4 = "Hourly-train.csv --task forecast --horizon 48"
MASE = ("mase", "smape")
SETS: dict[str, PublicSet] = {
    "m4": PublicSet(linked, M4, "Hourly-train.csv Hourly-test.csv", MASE, "one season ago", "1.00 / 11.0"),
    "m4 in 5": PublicSet(linked, M4, "Hourly-train.csv Hourly-test.csv", MASE, "one season ago", ".92", 5),
    "etth": PublicSet(
        electricity,
        "ett-train.csv --task forecast --horizon 96 --holdout 0.25",
        "ett-all.csv --after 2017-10-24",
        ("mse_scaled",),
        "one season ago",
        ".380",
    ),
    "etth 96": PublicSet(
        electricity,
        "ett-train.csv --task forecast --horizon 96 --holdout 0.25 --lookback 96",
        "ett-all.csv --after 2017-10-24",
        ("mse_scaled",),
        "one season ago",
        ".380",
    ),
    "exchange_rate": PublicSet(
        exchange,
        "exchange-train.txt --task forecast --horizon 96 --holdout 0.125",
        "exchange-all.txt --after 6071",
        ("mse_scaled",),
        "the last value",
        "within 2%",
    ),
    "cmapss": PublicSet(
        engines, "cmapss-train.csv --task steps --target life", "cmapss-test.csv", ("rmse",), "the mean", "13.8"
    ),
    "poly_music": PublicSet(
        chorales,
        "jsb-train.npz --task steps --validation jsb-valid.npz",
        "jsb-test.npz",
        ("nats",),
        "how often each comes",
        "8.4",
    ),
    **{
        name: PublicSet(
            linked, f"{name}_TRAIN.ts --task sequence", f"{name}_TEST.ts", ("accuracy",), "the commonest class", reach
        )
        for name, reach in (
            ("JapaneseVowels", ".975"),
            ("BasicMotions", ".975"),
            ("ItalyPowerDemand", ".96"),
            ("ArrowHead", ".75"),
            ("GunPoint", ".92"),
        )
    },
    "fsdd": PublicSet(
        digits,
        f"digits-train --task sequence --pattern {DIGITS}",
        "digits-test",
        ("accuracy",),
        "the commonest class",
        ".98",
    ),
}


TITLE = """# What a minute of training reaches on public sets

Written by `python benchmarks/sequences.py DATA`, which has where the files come from and how they are laid out.
`--out DIR` is left out of the commands. The median of the seeds, and their range; `steps` were what the minute gave.

"""
HEAD = "| set | commands | measure | naive | to reach | median | range | steps; machine |"


def run(words: list[str]) -> str:
    """What a command prints to be read by a program."""
    done = subprocess.run([sys.executable, "-m", "penstock", *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"penstock {' '.join(words)}\n{done.stderr}")
    return done.stdout


def measured(name: str, data: Path, seeds: list[int]) -> str:
    """A line of the table."""
    one = SETS[name]
    here = Path.cwd()
    found, naive, counts = [], {}, []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        archive = data / "ucr" / name
        one.prepare(archive if archive.is_dir() else data / name.split()[0])
        for seed in seeds:
            said = ["--minutes", f"{one.minutes:g}", "--seed", str(seed), "--out", "run", "--force"]
            run(["train", *one.train.split(), *said])
            result = json.loads(run(["eval", "run", *one.score.split(), "--json"]))
            steps = [json.loads(line) for line in Path("run/training/log.jsonl").read_text().splitlines()]
            counts.append(max(line["step"] for line in steps if line["kind"] == "step"))
            found.append(result["model"])
            naive = result[one.baseline]
            print(name, "seed", seed, {m: round(result["model"][m], 4) for m in one.measures}, counts[-1], flush=True)
        os.chdir(here)

    def figures(of: Callable[[str], float]) -> str:
        return " / ".join(f"{of(measure):.3g}" for measure in one.measures)

    middle = figures(lambda m: statistics.median(each[m] for each in found))
    low, high = (figures(lambda m, of=of: of(each[m] for each in found)) for of in (min, max))  # type: ignore[misc]
    command = f"train {one.train} --minutes {one.minutes:g}"
    about = machine()
    how = f"{statistics.median(counts):,.0f}; {about['processor']}, {os.cpu_count()} cores, {about['date']}"
    return (
        f"| {name} | `{command}`<br>`eval DIR {one.score}` | {' / '.join(one.measures)} "
        f"| {figures(naive.__getitem__)} | {one.reach} | **{middle}** | {low} to {high} | {how} |"
    )


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    said = parser.parse_args()
    data, place = said.data.resolve(), Path(__file__).with_name("sequences.md")
    done = {
        line.split(" | ")[0][2:]: line
        for line in (place.read_text() if place.exists() else "").splitlines()
        if line.startswith("| ")
    }
    for name in said.sets:
        done[name] = measured(name, data, said.seeds)
        table = [HEAD, "|" + "---|" * 8, *(done[one] for one in SETS if one in done)]
        place.write_text(TITLE + "\n".join(table) + "\n")


if __name__ == "__main__":
    main()
