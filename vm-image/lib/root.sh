# root.img: what the guest finds below /usr. It is taken from Debian's packages file by file; no package's script runs.
# shellcheck shell=bash

# What is taken as it is, below /usr in the guest.
from_debian=(
    sbin/mke2fs sbin/e2fsck sbin/resize2fs
    usr/sbin/nft
    bin/ps
    bin/busybox
    etc/mke2fs.conf
)
# The shell of `gantry machine shell`, and what the kernel calls by name.
applets=(
    sh ash cat ls cp mv rm mkdir rmdir ln touch chmod chown find grep sed awk head tail sort uniq wc cut tr tee xargs
    less vi more df du free top kill killall pidof uptime uname date dmesg mount umount ip ping ping6 traceroute nslookup
    wget nc netstat ss arp route ifconfig hostname id env printf echo test expr sleep sync stat readlink realpath dirname
    basename which tar gzip gunzip zcat hexdump od strings md5sum sha256sum lsmod insmod rmmod modprobe modinfo lsof
    blkid fstrim watch clear reset stty true false seq yes time timeout nproc mountpoint nsenter unshare chroot
)

build_root() {
    local root=$stage/root file name
    mkdir -p "$root"/{bin,sbin,lib,lib64,share/gantry,lib/modules/"$kernel_version"}
    for file in "${from_debian[@]}"; do
        name=$(basename "$file")
        case "$file" in
            etc/*) install -D -m 644 "$unpacked/$file" "$root/share/gantry/etc/$name" ;;
            *sbin/*) install -m 755 "$unpacked/$file" "$root/sbin/$name" ;;
            *) install -m 755 "$unpacked/$file" "$root/bin/$name" ;;
        esac
    done
    for name in "${programs[@]}"; do
        [ "$name" = gantry-guest ] || strip_program "$built/$name" "$root/bin/$name"
    done
    copy_libraries "$root"
    add_applets "$root"
    add_etc "$root/share/gantry/etc"
    epoch >"$root/share/gantry/epoch"
    add_modules "$root/lib/modules/$kernel_version"
    squash "$root"
}

# The libraries that the programs name, and what those name; glibc's loader by its fixed path.
copy_libraries() {
    local root=$1 todo=("$1"/bin/* "$1"/sbin/*) file name found
    while [ "${#todo[@]}" -gt 0 ]; do
        file=${todo[0]}
        todo=("${todo[@]:1}")
        while read -r name; do
            [ ! -e "$root/lib/$name" ] || continue
            found=$(find "$unpacked/lib" "$unpacked/usr/lib" -name "$name" -print -quit 2>/dev/null)
            [ -n "$found" ] || die "no package of vm-image/packages holds $name, which $(basename "$file") needs"
            install -m 755 "$(readlink -f "$found")" "$root/lib/$name"
            todo+=("$root/lib/$name")
        done < <(readelf -d "$file" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    done
    # Only the loader is named by path: /lib64 of x86-64, /lib of aarch64.
    name=$(basename "$(find "$root/lib" -name 'ld-linux-*' | head -n 1)")
    [ "$arch" != x86_64 ] || ln -s "../lib/$name" "$root/lib64/$name"
}

add_applets() {
    local name
    for name in "${applets[@]}"; do
        [ -e "$1/bin/$name" ] || [ -e "$1/sbin/$name" ] || ln -s busybox "$1/bin/$name"
    done
    # The kernel asks for modules by this name.
    ln -sf ../bin/busybox "$1/sbin/modprobe"
}

add_etc() {
    local etc=$1
    mkdir -p "$etc/ssl/certs"
    cp -R "$top/vm-image/etc/." "$etc/"
    find "$unpacked/usr/share/ca-certificates" -name '*.crt' -print0 | LC_ALL=C sort -z | xargs -0 cat >"$etc/ssl/certs/ca-certificates.crt"
    cat >"$etc/os-release" <<EOF
NAME="Gantry"
ID=gantry
ID_LIKE=debian
PRETTY_NAME="Gantry machine $version"
VERSION_ID="$version"
EOF
}

add_modules() {
    local folder=$1 part paths
    mapfile -t paths < <(cat "$stage"/modules/* | LC_ALL=C sort -u)
    copy_modules "$folder" "${paths[@]}"
    cp "$all_modules"/modules.{builtin,builtin.modinfo,order} "$folder/"
    depmod -b "$stage/root" "$kernel_version"
    # Busybox reads the text; the other forms are kmod's.
    find "$folder" -maxdepth 1 -name 'modules.*' \
        ! -name modules.dep ! -name modules.alias ! -name modules.symbols ! -name modules.builtin -delete
    for part in boot boot.hyperv; do
        mapfile -t paths <"$stage/modules/$part"
        [ "${#paths[@]}" -gt 0 ] || continue
        order_of "${paths[@]}" >"$folder/$part.order"
    done
}

squash() {
    rm -f "$output/root.img.new"
    mksquashfs "$1" "$output/root.img.new" -quiet -no-progress -noappend -all-root -no-xattrs -reproducible \
        -all-time "$(epoch)" -mkfs-time "$(epoch)" "${squash_options[@]}" >/dev/null
}
