#!/usr/bin/env bash
# Exported C on every kind of target, each compiled by its own compiler and run, emulated where it is not this machine;
# `make targets`. Float32 within the bound that the test program states, w8a16 the same integers.
#
#   host           gcc, on all its vector paths and in plain C; clang (Zig's); the sanitizers
#   32-bit Arm, AArch64, s390x (big-endian)        qemu-user
#   Cortex-M4 and M55                              qemu-system-arm, machines mps2-an386 and mps3-an547, semihosting
#   WebAssembly                                    Zig, in Node
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/build/targets
export PATH="$PWD/.venv/bin:$PATH" ZIG_GLOBAL_CACHE_DIR=$here/zig-cache ZIG_LOCAL_CACHE_DIR=$here/zig-cache
mkdir -p "$here"

have() { for tool; do command -v "$tool" >/dev/null || return; done; }
lacks() {  # at a desk that is said, in CI it is a failure
  echo "make targets: not run: $1"
  [ -z "${CI:-}" ]
  exit
}

compilers=(arm-none-eabi-gcc arm-linux-gnueabihf-gcc aarch64-linux-gnu-gcc s390x-linux-gnu-gcc)
tools=("${compilers[@]}" qemu-arm qemu-aarch64 qemu-s390x qemu-system-arm node gcc)
if ! have "${tools[@]}"; then
  have apt-get || lacks "it needs Debian's packages, and there is no apt-get"
  [ "$(id -u)" = 0 ] || lacks "it needs ${tools[*]}: apt-get install them, or be root"
  echo "Installing cross compilers and QEMU; this happens once."
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    gcc-arm-none-eabi libnewlib-arm-none-eabi gcc-arm-linux-gnueabihf libc6-dev-armhf-cross \
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-s390x-linux-gnu libc6-dev-s390x-cross \
    qemu-user qemu-system-arm nodejs; } >/dev/null 2>&1 || lacks "apt-get could not install cross compilers and QEMU"
fi
zig=(python -m ziglang)
"${zig[@]}" version >/dev/null 2>&1 || lacks "it needs Zig, which the tests' packages have: make install"

rm -rf "$here/models"
mkdir -p "$here/models"
python tests/targets/models.py "$here/models"

strict=(-std=c99 -O2 -Wall -Wextra -pedantic -Werror -Wconversion)
semihosting=(-nographic -monitor none -serial none -semihosting-config "enable=on,target=native")
cortex=(-mthumb -mfloat-abi=hard -ffunction-sections -Wl,--gc-sections --specs=rdimon.specs -nostartfiles
  -T tests/targets/cortex.ld tests/targets/cortex.c)
m4=(arm-none-eabi-gcc -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 "${cortex[@]}"
  -Wl,--defsym=CODE=0,--defsym=CODE_SIZE=4M,--defsym=DATA=0x20000000,--defsym=DATA_SIZE=4M)
m55=(arm-none-eabi-gcc -mcpu=cortex-m55 "${cortex[@]}"
  -Wl,--defsym=CODE=0x10000000,--defsym=CODE_SIZE=512K,--defsym=DATA=0x30000000,--defsym=DATA_SIZE=512K)
on_m4=(qemu-system-arm -M mps2-an386 -cpu cortex-m4 "${semihosting[@]}")
on_m55=(qemu-system-arm -M mps3-an547 "${semihosting[@]}")

# check NAME COMPILER… -- RUNNER…: every exported model, compiled and run
check() {
  local name=$1 build=() folder program said
  shift
  while [ "$1" != -- ]; do build+=("$1"); shift; done
  shift
  for folder in "$here"/models/c/*; do
    program=$here/$name-$(basename "$folder")
    "${build[@]}" "${strict[@]}" "$folder/gru.c" "$folder/gru_test.c" -lm -o "$program"
    said=$(timeout 120 "$@" "$program" 2>&1) && grep -q '^ok:' <<<"$said" || {
      echo "$name, $(basename "$folder"): $said"
      return 1
    }
    printf '%-14s %-16s %s\n' "$name" "$(basename "$folder")" "$said"
  done
}

pids=()
run() { check "$@" >"$here/$1.log" 2>&1 & pids+=($!:"$1"); [ $((${#pids[@]} % 2)) = 1 ] || wait_for_all; }
wait_for_all() {
  local failed=0
  for one in "${pids[@]}"; do
    wait "${one%%:*}" || failed=1
    cat "$here/${one#*:}.log"
  done
  pids=()
  [ $failed = 0 ] || { echo "make targets: failed"; exit 1; }
}

run host gcc -- env
run host-plain gcc -DGRU_PLAIN -- env
if [ "$(uname -m)" = x86_64 ]; then
  grep -qw fma /proc/cpuinfo && grep -qw avx2 /proc/cpuinfo && run host-avx2 gcc -mavx2 -mfma -- env
  grep -qw avx512bw /proc/cpuinfo && run host-avx512 gcc -march=native -- env
fi
run sanitizers gcc -g -fsanitize=address,undefined -fno-sanitize-recover=all -- env
run clang "${zig[@]}" cc -- env
run arm arm-linux-gnueabihf-gcc -static -- qemu-arm
run aarch64 aarch64-linux-gnu-gcc -static -- qemu-aarch64
run s390x s390x-linux-gnu-gcc -static -- qemu-s390x
run cortex-m4 "${m4[@]}" -- "${on_m4[@]}" -kernel
run cortex-m55 "${m55[@]}" -- "${on_m55[@]}" -kernel
run wasm "${zig[@]}" cc -target wasm32-wasi -msimd128 -- node --no-warnings tests/targets/wasi.mjs
run wasm-plain "${zig[@]}" cc -target wasm32-wasi -- node --no-warnings tests/targets/wasi.mjs
wait_for_all

# Instructions a multiply-add: count H of one layer, D = H, w8a16, with embedding and output layer
count() {
  local name=$1 folder=$here/models/count/$2 build=() program
  shift 2
  while [ "$1" != -- ]; do build+=("$1"); shift; done
  shift
  program=$here/$name-count
  "${build[@]}" "${strict[@]}" -I"$folder" -DMULTIPLY_ADDS="$(sed -n 's/.*work: \([0-9,]*\) .*/\1/p' "$folder/gru.h" | tr -d ,).0" \
    "$folder/gru.c" tests/targets/count.c -o "$program"
  timeout 120 "$@" "$program"
}
for H in 64 128 256; do
  echo "w8a16, H = $H, instructions a multiply-add: Cortex-M4 $(count m4 $H "${m4[@]}" -- "${on_m4[@]}" -icount shift=0 -kernel)," \
    "Cortex-M55 $(count m55 $H "${m55[@]}" -- "${on_m55[@]}" -icount shift=0 -kernel)"
done
for core in "cortex-m4 -mfpu=fpv4-sp-d16" cortex-m55; do
  # shellcheck disable=SC2086
  arm-none-eabi-gcc -mthumb -mfloat-abi=hard -mcpu=$core -std=c99 -Os -c "$here/models/count/64/gru.c" -o "$here/size.o"
  constants=$(sed -n 's/.*flash: \([0-9,]*\) bytes.*/\1/p' "$here/models/count/64/gru.h" | tr -d ,)
  echo "code beside the weights, ${core%% *}: $(($(arm-none-eabi-size "$here/size.o" | awk 'NR == 2 { print $1 }') - constants)) bytes"
done
echo "make targets: passed"
