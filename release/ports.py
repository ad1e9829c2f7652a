"""Compiles the core for Windows and macOS by Zig's compiler, any warning being an error; `make ports`.

    python release/ports.py             as it would ship
    python release/ports.py --quick     without optimisation, and nothing linked: a minute instead of many

A C program is linked with each library, so that nothing is missing in it. What it computes there is not tested.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build/ports"
PORTS = {
    "x86_64-windows-gnu": ("Windows", "x86_64"),
    "aarch64-windows-gnu": ("Windows", "aarch64"),
    "x86_64-macos": ("Darwin", "x86_64"),
    "aarch64-macos": ("Darwin", "arm64"),
}


def script(name: str, *command: str) -> Path:
    """A program that is this command: CMake wants a compiler to be one word."""
    path = BUILD / name
    path.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
    path.chmod(0o755)
    return path


def run(*command: str | Path) -> None:
    """Runs it, and ends this program with its words if it fails or warns."""
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode or "warning:" in done.stdout:
        print(done.stdout, file=sys.stderr)
        sys.exit(f"make ports: this failed: {' '.join(map(str, command))}")


def port(target: str, quick: bool) -> None:
    """The core and a program for one of them."""
    system, machine = PORTS[target]
    zig = (sys.executable, "-m", "ziglang")
    place = BUILD / target
    compilers = {
        "CMAKE_CXX_COMPILER": script(f"c++-{target}", *zig, "c++", "-target", target),
        "CMAKE_AR": script("ar", *zig, "ar"),
        "CMAKE_RANLIB": script("ranlib", *zig, "ranlib"),
    }
    told = {
        "CMAKE_SYSTEM_NAME": system,
        "CMAKE_SYSTEM_PROCESSOR": machine,
        "CMAKE_BUILD_TYPE": "Debug" if quick else "Release",
        "CMAKE_CXX_FLAGS": "-Werror",
        "CMAKE_OSX_SYSROOT": "/",  # Zig brings what a program is linked with
        # and makes that at its first link, in minutes: CMake is to try no linking, and is told what it would find out
        "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
        "CMAKE_CXX_COMPILER_ID_RUN": "1",
        "CMAKE_CXX_COMPILER_ID": "Clang",
        "CMAKE_CXX_COMPILER_VERSION": "20",
        "CMAKE_CXX_COMPILER_FORCED": "1",
        "CMAKE_CXX_STANDARD_COMPUTED_DEFAULT": "17",
        "CMAKE_CXX_SCAN_FOR_MODULES": "OFF",
        "PENSTOCK_PYTHON": "OFF",
    }
    run("cmake", "-S", "core", "-B", place, "-G", "Ninja", *(f"-D{k}={v}" for k, v in (compilers | told).items()))
    run("cmake", "--build", place)
    library, program = place / "libpenstock.a", place / "gru.exe"
    print(f"{target}  {library.stat().st_size / 1e6:.1f} MB", flush=True)
    if quick:
        return
    compile_c = (
        *zig,
        "cc",
        "-target",
        target,
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Icore",
        "-c",
        "examples/gru.c",
    )
    run(*compile_c, "-o", place / "gru.o")
    run(*zig, "c++", "-target", target, place / "gru.o", library, "-o", program)


def main() -> None:
    """Ends with a line that says what failed, if anything does."""
    parser = argparse.ArgumentParser(description="Compiles the core for Windows and macOS.")
    parser.add_argument("targets", nargs="*", default=list(PORTS), metavar="TARGET")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - PORTS.keys():
        sys.exit(f"make ports: expected {', '.join(PORTS)}, got {', '.join(sorted(unknown))}")
    BUILD.mkdir(parents=True, exist_ok=True)
    for target in asked.targets:
        port(target, asked.quick)


if __name__ == "__main__":
    main()
