# What the scripts of this folder share. They are sourced with `set -euo pipefail`.
# shellcheck shell=bash
# shellcheck disable=SC2034  # read by those who source this

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
programs=(gantryd gantry-shim gantry-proxy gantry-guest)
suite=bookworm

say() { echo "gantry: $*" >&2; }
die() { say "$*"; exit 1; }

# for_arch x86_64|aarch64: sets where things are and what Debian calls the machine.
for_arch() {
    arch=$1
    case "$arch" in
        x86_64) debian_arch=amd64 ;;
        aarch64) debian_arch=arm64 ;;
        *) die "no guest for $arch: x86_64 and aarch64 it is" ;;
    esac
    work=${CARGO_TARGET_DIR:-$top/target}/vm-image
    output=$work/$arch
    lock=$top/vm-image/packages.lock
    mkdir -p "$output"
}

# The moment that all files of an image bear: the one at which the packages were locked.
epoch() {
    if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
        echo "$SOURCE_DATE_EPOCH"
    else
        sed -n 's/^# epoch //p' "$lock"
    fi
}
