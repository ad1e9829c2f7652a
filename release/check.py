"""Installs the wheels of dist/ as their users do, and tests them there; `make wheel-test`.

    python release/check.py                       on every Python of this machine that they are for
    python release/check.py --python 3.11 3.13    on these

Each Python gets an environment of its own, without a compiler on PATH and without PyTorch. It runs the core's and the
runtime's tests, and a model writes and scores there as in this checkout, to the last character. A wheel for AArch64 is
compared on the emulated processor that `make emulated` set up, bit for bit.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pythons

ROOT = Path(__file__).parents[1]
DIST, BUILD = ROOT / "dist", ROOT / "build/release"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
TESTS = ("tests/native", "tests/runtime/test_bulk.py", "tests/runtime/test_sampling.py", "tests/runtime/test_stream.py")
"""Those that need no PyTorch."""
TEXT = "the cat sat on the mat. the dog ate the food of the cat!\n"


def run(*command: str | Path, path: str | None = None, **environment: str) -> str:
    """What it prints; ends this program with its words if it fails."""
    there = os.environ | environment | ({"PATH": path} if path else {})
    done = subprocess.run(list(map(str, command)), cwd=ROOT, env=there, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\nmake wheel-test: this failed: {' '.join(map(str, command))}")
    return done.stdout


def wheel_for(version: str, machine: str) -> Path | None:
    """The wheel in dist/ that pip would take."""
    stable = pythons.parsed(version) >= pythons.OLDEST_STABLE
    tags = "cp312-abi3" if stable else f"cp{version.replace('.', '')}-*"
    return next(DIST.glob(f"penstock-*-{tags}-manylinux*_{machine}.whl"), None)


def answers(model: Path, text: Path, *penstock: str | Path, **environment: str) -> list[str]:
    """What a model writes, and how it scores a text."""
    return [
        run(*penstock, "generate", model, "--prompt", "the ", "--length", "40", "--seed", "1", **environment),
        run(*penstock, "eval", model, text, "--json", **environment),
    ]


def check(version: str, python: Path, wheel: Path, model: Path, text: Path) -> None:
    """Installs a wheel, runs the tests, and compares answers."""
    place = BUILD / f"clean{version}"
    run("uv", "venv", "--quiet", "--clear", "--python", python, place)
    needed = (wheel, "hypothesis", "pytest", "pytest-timeout")
    pinned = ("--only-binary", ":all:", "--constraints", "constraints.txt")
    run("uv", "pip", "install", "--quiet", "--python", place, *pinned, *needed)
    programs = place / "bin"
    path = str(programs)  # and nothing else
    facts = json.loads(run(programs / "penstock", "info", "--json", path=path))
    if not facts["core"].startswith("built by GCC") or facts["packages"]["torch"]:
        sys.exit(f"make wheel-test: expected the core as built by GCC, and no PyTorch, got {facts}")
    if shutil.which("cc", path=path) or shutil.which("c++", path=path):
        sys.exit(f"make wheel-test: expected no compiler in {programs}")
    if answers(model, text, programs / "penstock", path=path) != answers(model, text, sys.executable, "-m", "penstock"):
        sys.exit(f"make wheel-test: Python {version}: {wheel.name} does not answer as this checkout does")
    options = ("-q", "-p", "no:cacheprovider", "-m", "not slow", "--hypothesis-profile=few")
    said = run(programs / "python", "-m", "pytest", *options, *TESTS, path=path, CI="", CC="none")
    print(f"Python {version}: {wheel.name}: {said.splitlines()[-1]}", flush=True)


def emulated(wheel: Path, python: Path) -> None:
    """Compares what a wheel computes on AArch64 with what this processor does."""
    place = BUILD / "clean-aarch64"
    shutil.rmtree(place, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    here = BUILD / "bits.json"
    here.write_text(run(sys.executable, "tests/emulated/bits.py", PYTHONPATH="tests"))
    there = {"PYTHONPATH": f"{place}{os.pathsep}tests", "OPENBLAS_NUM_THREADS": "1"}
    print(f"{wheel.name}: {run(python, 'tests/emulated/bits.py', '--compare', here, **there).strip()}")


def main() -> None:
    """Ends with a line that says what failed, if anything does."""
    parser = argparse.ArgumentParser(description="Tests the wheels of dist/ in clean environments.")
    parser.add_argument("--python", nargs="+", default=PYTHONS, metavar="3.N")
    asked = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    text, model = BUILD / "text.txt", BUILD / "model"
    text.write_text(TEXT * 200)
    run(sys.executable, "-m", "penstock", "train", text, "--steps", "20", "--hidden", "48", "--out", model, "--force")
    for version in asked.python:
        wheel, python = wheel_for(version, platform.machine()), pythons.found(version)
        if wheel and python:
            check(version, python, wheel, model, text)
        elif asked.python is not PYTHONS:
            sys.exit(
                f"make wheel-test: Python {version}: {'no such Python' if wheel else 'no wheel in dist'} was found"
            )
        else:
            print(f"Python {version}: not tested: {'no such Python' if wheel else 'no wheel in dist'} was found")

    python = ROOT / "build/aarch64/bin/python"
    name = next((ROOT / "build/aarch64/lib").glob("python3.*"), Path()).name.removeprefix("python")
    if name and (wheel := wheel_for(name, "aarch64")):
        emulated(wheel, python)


if __name__ == "__main__":
    main()
