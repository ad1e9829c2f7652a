"""Builds into dist/ what a release uploads: the sdist and, out of it, the wheels; `make wheel`.

    python release/wheels.py                                      all of them
    python release/wheels.py --python 3.11 3.12 --machine x86_64  some

The core is compiled once for each processor, by GCC, whose kernels are those that are timed; each Python gets its own
module of it. What a wheel asks of a system is held by auditwheel, what it asks of Python by abi3audit. A processor that
is not this machine's is compiled for by Debian's cross compiler.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pythons

ROOT = Path(__file__).parents[1]
DIST, BUILD = ROOT / "dist", ROOT / "build/release"
OLDEST = "manylinux_2_28"
"""The systems that wheels are for: glibc 2.28 (RHEL 8, Debian 10, Ubuntu 20.04) and newer, as PyTorch's are."""
MACHINES = ("x86_64", "aarch64")
PYTHONS = ("3.10", "3.11", "3.12")


def run(*command: str | Path, **environment: str) -> str:
    """What it prints; ends this program with its words if it fails."""
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        sys.exit(f"make wheel: this failed: {' '.join(map(str, command))}")
    return done.stdout + done.stderr


def environment(version: str, python: Path) -> Path:
    """The programs of an environment for this Python that has what builds and audits wheels."""
    place = BUILD / f"python{version}"
    run("uv", "venv", "--quiet", "--clear", "--python", python, place)
    run("uv", "pip", "install", "--quiet", "--python", place, "--constraints", "constraints.txt", "--group", "release")
    return place / "bin"


def compiler(machine: str) -> str:
    """GCC for this processor, unless CXX names another for this machine's own."""
    own = machine == platform.machine()
    name = os.environ.get("CXX", "g++") if own else f"{machine}-linux-gnu-g++"
    if shutil.which(name) is None:
        sys.exit(
            f"make wheel: {name} was not found (Debian: apt-get install g++{'' if own else f'-{machine}-linux-gnu'})"
        )
    return name


def target(machine: str) -> list[str]:
    """What CMake is told of a processor."""
    told = [f"CMAKE_CXX_COMPILER={compiler(machine)}"]
    return (
        told
        if machine == platform.machine()
        else [*told, "CMAKE_SYSTEM_NAME=Linux", f"CMAKE_SYSTEM_PROCESSOR={machine}"]
    )


def core(source: Path, machine: str, programs: Path) -> Path:
    """The core compiled for a processor: libpenstock.a."""
    place = BUILD / f"core-{machine}"
    told = [f"-D{setting}" for setting in ("PENSTOCK_PYTHON=OFF", *target(machine))]
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    run(programs / "cmake", "-S", source / "core", "-B", place, "-G", "Ninja", *told, PATH=path)
    run(programs / "cmake", "--build", place, PATH=path)
    return place / "libpenstock.a"


def wheel(source: Path, version: str, machine: str, library: Path, programs: Path) -> Path:
    """A wheel in dist/, audited."""
    raw = BUILD / f"raw-{version}-{machine}"
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    told = [f"PENSTOCK_LIBRARY={library}", "PENSTOCK_MANYLINUX=ON", *target(machine)]
    suffix = f".cpython-{version.replace('.', '')}-{machine}-linux-gnu.so"
    said = run(
        *(programs / "python", "-m", "build", "--wheel", "--no-isolation", "--outdir", raw, source),
        *("-Cbuild.targets=_core", *(f"-Ccmake.define.{setting}" for setting in told)),
        PATH=path,
        _PYTHON_HOST_PLATFORM=f"linux-{machine}",
        SETUPTOOLS_EXT_SUFFIX=suffix,
    )
    (made,) = raw.glob("*.whl")
    if made.name.endswith("-any.whl"):
        sys.exit(f"{said}\nmake wheel: the core's module for Python {version} on {machine} did not compile")
    audited = raw / "audited"
    platform_tag = f"{OLDEST}_{machine}"
    run(programs / "auditwheel", "repair", "--plat", platform_tag, "--only-plat", "-w", audited, made, PATH=path)
    (repaired,) = audited.glob("*.whl")
    if pythons.parsed(version) >= pythons.OLDEST_STABLE:
        run(programs / "abi3audit", "--strict", repaired)
    return Path(shutil.copy(repaired, DIST))


def main() -> int:
    """1 where a wheel that was asked for could not be made, else 0."""
    parser = argparse.ArgumentParser(description="Builds into dist/ what a release uploads.")
    parser.add_argument("--python", nargs="+", default=PYTHONS, metavar="3.N")
    parser.add_argument("--machine", nargs="+", default=MACHINES, choices=MACHINES)
    parser.add_argument(
        "--core", type=Path, metavar="FILE", help="libpenstock.a of this checkout and machine; compiled if not given"
    )
    asked = parser.parse_args()
    found = {version: pythons.found(version) for version in asked.python}
    environments = {version: environment(version, python) for version, python in found.items() if python}
    missing = [version for version, python in found.items() if python is None]
    if not environments:
        sys.exit(f"make wheel: none of Python {', '.join(missing)} was found on PATH, of pyenv or of uv")
    for folder in (DIST, *BUILD.glob("raw-*"), *BUILD.glob("core-*"), *BUILD.glob("penstock-*")):
        shutil.rmtree(folder, ignore_errors=True)
    DIST.mkdir()

    programs = next(iter(environments.values()))
    run(programs / "python", "-m", "build", "--sdist", "--no-isolation", "--outdir", DIST, ".")
    (sdist,) = DIST.glob("*.tar.gz")
    print(_said(sdist), flush=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(BUILD, filter="data")
    source = BUILD / sdist.name.removesuffix(".tar.gz")
    if lacks := {path.name for path in (ROOT / "core").iterdir()} - {path.name for path in (source / "core").iterdir()}:
        sys.exit(f"make wheel: {sdist.name} lacks {', '.join(sorted(lacks))}")
    for machine in asked.machine:
        given = asked.core if machine == platform.machine() else None
        library = given.resolve() if given else core(source, machine, programs)
        for version, its_programs in environments.items():
            print(_said(wheel(source, version, machine, library, its_programs)), flush=True)
    if missing:
        print(f"left out: Python {', '.join(missing)}, not found on PATH, of pyenv or of uv", file=sys.stderr)
    return 1 if missing else 0


def _said(made: Path) -> str:
    return f"{made.relative_to(ROOT)}  {made.stat().st_size / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
