#!/usr/bin/env bash
# The core's tests on an emulated AArch64 processor, so that NEON is tested where there is none; `make emulated`.
#
# Debian's cross compiler builds the core for Debian's Python, which lies in build/aarch64/root and runs in QEMU; beside
# it build/aarch64 is a virtual environment like any other, but that its bin/python is a script. torch is not in it.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/build/aarch64
export PATH="$PWD/.venv/bin:$PATH"

have() { for tool; do command -v "$tool" >/dev/null || return; done; }
lacks() {  # at a desk that is said, in CI it is a failure
  echo "make emulated: not run: $1"
  [ -z "${CI:-}" ]
  exit
}

if [ "$(uname -m)" = aarch64 ]; then
  echo "make emulated: this processor is an AArch64 itself, on which make test tests"
  exit
fi

have apt-get dpkg-deb || lacks "it needs Debian's packages, and there is no apt-get"
if ! have aarch64-linux-gnu-g++ qemu-aarch64; then
  [ "$(id -u)" = 0 ] || lacks "it needs g++-aarch64-linux-gnu and qemu-user: apt-get install them, or be root"
  echo "Installing a cross compiler and QEMU; this happens once."
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    g++-aarch64-linux-gnu qemu-user; } >/dev/null 2>&1 || lacks "apt-get could not install a cross compiler and QEMU"
fi

# Python for arm64, beside this system and no part of it: apt with lists, a cache and a status of its own.
if [ ! -e "$here/.installed" ] || [ -n "$(find constraints.txt tests/emulated/aarch64.sh -newer "$here/.installed")" ]; then
  echo "Installing Python for arm64 into build/aarch64; this happens once."
  rm -rf "$here"
  mkdir -p "$here"/{bin,root,apt/lists/partial,apt/archives/partial}
  touch "$here/apt/status"
  aside=(-qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root
    -o Acquire::Languages=none -o Dir::State="$here/apt" -o Dir::State::status="$here/apt/status"
    -o Dir::Cache="$here/apt")
  { apt-get "${aside[@]}" update && apt-get "${aside[@]}" install --yes --download-only --no-install-recommends \
    python3 libpython3-dev libstdc++6; } >/dev/null || lacks "apt-get found no Python for arm64"
  for package in "$here"/apt/archives/*.deb; do dpkg-deb -x "$package" "$here/root"; done
  rm -r "$here/apt"

  python=$(basename "$(readlink "$here/root/usr/bin/python3")")
  echo "home = $here/root/usr/bin" >"$here/pyvenv.cfg"
  cat >"$here/bin/python" <<SCRIPT
#!/bin/sh
exec qemu-aarch64 -L "$here/root" -0 "$here/bin/python" "$here/root/usr/bin/$python" "\$@"
SCRIPT
  chmod +x "$here/bin/python"
  have uv cmake ninja || pip install --quiet uv cmake ninja
  uv pip install --quiet --target "$here/lib/$python/site-packages" --python-platform aarch64-manylinux_2_28 \
    --python-version "${python#python}" --only-binary :all: --constraints constraints.txt \
    numpy safetensors pytest pytest-timeout hypothesis nanobind
  touch "$here/.installed"
fi

site=$(echo "$here"/lib/python3.*/site-packages)
cmake -S core -B "$here/core" -G Ninja --log-level=WARNING \
  -DCMAKE_TOOLCHAIN_FILE="$PWD/tests/emulated/aarch64.cmake" -DCMAKE_CXX_FLAGS="-idirafter $here/root/usr/include" \
  -DPython_EXECUTABLE="$here/bin/python" -DPython_INCLUDE_DIR="$(echo "$here"/root/usr/include/python3.*)"
cmake --build "$here/core"
rm -rf "$site/penstock"
cp -r src/penstock "$site"
cmake --install "$here/core" --prefix "$site" >/dev/null

# The same bits as on this processor. Then the tests, on NEON, which is "portable" too there; without those that QEMU
# cannot run: it knows no limit of memory, starts no threads in a forked child, and takes minutes where many of them
# wait for each other.
PYTHONPATH=tests python tests/emulated/bits.py >"$here/bits.json"
export OPENBLAS_NUM_THREADS=1 CC=none
PYTHONPATH=tests "$here/bin/python" tests/emulated/bits.py --compare "$here/bits.json"
"$here/bin/python" -m pytest -q -p no:cacheprovider --hypothesis-profile=few tests/native "$@" \
  -m "not slow" -k "not portable and not memory and not fork and not many_threads"
