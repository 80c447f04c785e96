# Brings the locked packages to target/, each checked against its sha256.
# shellcheck shell=bash

# Prints "package version sha256" of each locked package of this architecture.
locked() { awk -v arch="$debian_arch" '$1 == arch { print $2, $3, $4 }' "$lock"; }

is_fetched() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

# Fills `debs` with the files and `taken` with "package version" of each.
fetch_packages() {
    local package version sha256 file
    debs=() taken=()
    mkdir -p "$work/packages"
    while read -r package version sha256; do
        file=$work/packages/$sha256.deb
        if ! is_fetched "$file" "$sha256"; then
            update_apt
            if [ "$(sha256_of "$package" "$version")" != "$sha256" ]; then
                replace_gone
                file=$work/packages/$sha256.deb
            fi
            is_fetched "$file" "$sha256" || download
        fi
        debs+=("$file") taken+=("$package $version")
    done < <(locked)
    [ "${#debs[@]}" -gt 0 ] || die "$lock has nothing for $debian_arch; write it by vm-image/lock"
}

# Mirrors keep the newest versions only: a lock ages.
replace_gone() {
    local locked_version=$version
    [ "${GANTRY_VM_LOCKED:-0}" != 1 ] ||
        die "$package $version is gone from the mirror, and GANTRY_VM_LOCKED=1 forbids another; run vm-image/lock"
    case "$package" in linux-image-*) package=$(kernel_package) ;; esac
    read -r version sha256 < <(newest "$package") || true
    [ -n "${sha256:-}" ] || die "the mirror has no $package at all"
    say "warning: $package $locked_version of packages.lock is gone from the mirror; taking $version, signed by Debian (vm-image/lock writes it down)"
}

download() {
    local folder=$work/packages/partial
    rm -rf "$folder"
    mkdir -p "$folder"
    say "fetching $package $version"
    (cd "$folder" && private apt-get download "$package=$version") || die "$package $version can't be fetched"
    local got=("$folder"/*.deb)
    is_fetched "${got[0]}" "$sha256" || die "what the mirror gave for $package $version is not what was signed"
    mv "${got[0]}" "$file"
    rm -rf "$folder"
}
