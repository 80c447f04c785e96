# A private apt: own state, cache and sources below target/, so that nothing of this machine's changes and no right of
# root's is needed. What the host says on proxies holds; signatures are checked by its debian-archive-keyring.
# shellcheck shell=bash

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints the URL of Debian's archive that this machine uses itself, or the one for security fixes.
mirror_of_host() {
    local pattern
    case "$1" in
        archive) pattern='^[a-z]+$' ;;
        security) pattern='-security$' ;;
    esac
    apt-get indextargets 'Identifier: Packages' 'Origin: Debian' --format '$(SITE) $(CODENAME)' 2>/dev/null |
        awk -v pattern="$pattern" '$2 ~ pattern { print $1; exit }'
}

prepare_apt() {
    local archive=${GANTRY_DEBIAN_MIRROR:-} security=${GANTRY_DEBIAN_SECURITY_MIRROR:-}
    if [ -z "$archive" ]; then
        archive=$(mirror_of_host archive)
        security=${security:-$(mirror_of_host security)}
    fi
    # Where an archive is mirrored whole, the security fixes lie beside it.
    security=${security:-${archive%/}-security}
    [ -n "$archive" ] || die "this machine's apt knows no mirror of Debian; set GANTRY_DEBIAN_MIRROR to the URL of one"
    [ -r "$keyring" ] || die "$keyring is missing; install the package debian-archive-keyring"

    archive_url=$archive
    apt_dir=$work/apt-$debian_arch
    mkdir -p "$apt_dir"/{state/lists/partial,cache/archives/partial,etc/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d}}
    : >"$apt_dir/state/status"
    cat >"$apt_dir/etc/sources.list" <<EOF
deb [signed-by=$keyring] $archive $suite main
deb [signed-by=$keyring] $security $suite-security main
EOF
}

# private NAME ARGUMENT…: apt-get or apt-cache on the private state.
private() {
    local program=$1
    shift
    "$program" -qq \
        -o Dir::State="$apt_dir/state" -o Dir::State::status="$apt_dir/state/status" -o Dir::Cache="$apt_dir/cache" \
        -o Dir::Etc="$apt_dir/etc" -o Dir::Etc::sourcelist="$apt_dir/etc/sources.list" \
        -o APT::Architecture="$debian_arch" -o APT::Architectures="$debian_arch" \
        -o APT::Sandbox::User= -o Acquire::Languages=none -o APT::Update::Post-Invoke::= -o APT::Update::Post-Invoke-Success::= \
        "$@"
}

update_apt() {
    [ -z "${apt_is_fresh:-}" ] || return 0
    prepare_apt
    say "reading the package lists of Debian $suite for $debian_arch"
    private apt-get update || die "the package lists can't be fetched; set GANTRY_DEBIAN_MIRROR to a mirror of Debian that can be reached"
    apt_is_fresh=yes
}

# Prints "version sha256" of the newest version of a package.
newest() {
    private apt-cache show --no-all-versions "$1" 2>/dev/null |
        awk '$1 == "Version:" { version = $2 } $1 == "SHA256:" { print version, $2; exit }'
}

# Prints the sha256 of a version of a package, or nothing where the mirror has it no more.
sha256_of() {
    private apt-cache show "$1=$2" 2>/dev/null | awk '$1 == "SHA256:" { print $2; exit }'
}

# The package that stands behind @kernel.
kernel_package() {
    private apt-cache show --no-all-versions "linux-image-cloud-$debian_arch" 2>/dev/null |
        sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1
}
