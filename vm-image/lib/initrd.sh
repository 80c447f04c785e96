# initrd.img: init, and the modules without which the root can't be mounted. An own archive in the form that the
# kernel unpacks, the same from the same files.
# shellcheck shell=bash

build_initrd() {
    local tree=$stage/initrd part paths
    mkdir -p "$tree"/{dev,proc,sys,root,modules}
    strip_program "$built/gantry-guest" "$tree/init"
    chmod 755 "$tree/init"
    for part in root root.hyperv; do
        mapfile -t paths <"$stage/modules/$part"
        [ "${#paths[@]}" -gt 0 ] || continue
        copy_modules "$tree/modules" "${paths[@]}"
        order_of "${paths[@]}" >"$tree/modules/$part.order"
    done
    find "$tree" -print0 | xargs -0 touch -h -d "@$(epoch)"
    (cd "$tree" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
        cpio --null --create --quiet --format newc --owner 0:0 --reproducible) >"$stage/initrd.cpio"
    # The kernel knows lz4's old form only; it unpacks faster than it is read.
    lz4 -q -l -9 -f "$stage/initrd.cpio" "$output/initrd.img.new"
}
