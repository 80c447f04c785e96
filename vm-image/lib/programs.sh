# The guest's own programs, static, from this workspace. Cargo decides what is to be built.
# shellcheck shell=bash

build_programs() {
    local triple=$arch-unknown-linux-gnu cargo_home=${CARGO_HOME:-$HOME/.cargo} flags
    if ! rustc --print target-libdir --target "$triple" 2>/dev/null | xargs test -d; then
        command -v rustup >/dev/null || die "Rust has no standard library for $triple here, and there is no rustup to add it"
        rustup target add "$triple"
    fi
    # glibc resolves names by files and DNS without loading a plug-in: static programs can. Paths of this machine are
    # no part of a program, or the same source would give another image elsewhere.
    flags=(-C target-feature=+crt-static
        "--remap-path-prefix=$top=/gantry" "--remap-path-prefix=$cargo_home=/cargo")
    local encoded
    encoded=$(IFS=$'\x1f'; echo "${flags[*]}")
    local maps="-ffile-prefix-map=$top=/gantry -ffile-prefix-map=$cargo_home=/cargo"
    local settings=("CARGO_TARGET_DIR=$work/build" "CARGO_ENCODED_RUSTFLAGS=$encoded" "CFLAGS_${triple//-/_}=$maps")
    if [ "$arch" != "$(uname -m)" ]; then
        local upper=${triple//-/_}
        upper=${upper^^}
        settings+=("CARGO_TARGET_${upper}_LINKER=$arch-linux-gnu-gcc" "CC_${triple//-/_}=$arch-linux-gnu-gcc"
            "AR_${triple//-/_}=$arch-linux-gnu-ar")
    fi
    local options=()
    for program in "${programs[@]}"; do options+=(--bin "$program"); done
    env "${settings[@]}" cargo build --release --locked --target "$triple" \
        -p gantry-engine -p gantry-runtime -p gantry-network -p gantry-guest "${options[@]}"
    built=$work/build/$triple/release
}

# Prints what binutils' tool of that name is called for the guest's architecture.
tool() {
    if [ "$arch" = "$(uname -m)" ]; then echo "$1"; else echo "$arch-linux-gnu-$1"; fi
}

# strip_program FROM TO
strip_program() { "$(tool strip)" -o "$2" "$1"; }
