# Chooses the kernel's modules and writes down in which order init loads them.
# shellcheck shell=bash

# modules_of STAGE: the names in that part of the list, "!" kept.
modules_of() {
    awk -v stage="[$1]" '{ sub(/#.*/, "") } /^\[/ { inside = ($1 == stage); next } inside && NF { print $1 }' \
        "$top/vm-image/modules"
}

# with_needs FILE…: the modules (paths as in modules.dep) and what they need, each after all that it needs.
with_needs() {
    awk -v wanted="$*" '
        FNR == 1 { files = split(wanted, order, " ") }
        { path = $1; sub(/:$/, "", path); $1 = ""; needs[path] = $0 }
        function visit(path, list, count, i) {
            if (path in seen) return
            seen[path] = 1
            count = split(needs[path], list, " ")
            for (i = count; i > 0; i--) visit(list[i])
            print path
        }
        END { for (i = 1; i <= files; i++) visit(order[i]) }
    ' "$all_modules/modules.dep"
}

# Sets kernel_version, and fills $stage/modules/<stage> with the paths of that stage in order.
choose_modules() {
    local folders=("$unpacked"/lib/modules/*) part name required path paths
    kernel_version=$(basename "${folders[0]}")
    all_modules=${folders[0]}
    depmod -b "$unpacked" "$kernel_version"
    mkdir -p "$stage/modules"
    for part in root root.hyperv boot boot.hyperv lazy; do
        paths=()
        while read -r name; do
            required=${name:0:1}
            name=${name#!}
            # Files are called with - or _, as it came; names are the same with either.
            path=$(cut -d : -f 1 "$all_modules/modules.dep" | grep -E "/${name//[-_]/[-_]}\\.ko$" || true)
            if [ -n "$path" ]; then
                paths+=("$path")
            elif [ "$required" = '!' ] && ! grep -qE "/${name//[-_]/[-_]}\\.ko$" "$all_modules/modules.builtin"; then
                die "kernel $kernel_version has no module $name"
            fi
        done < <(modules_of "$part")
        with_needs "${paths[@]}" >"$stage/modules/$part"
    done
}

# order_of PATH…: what init reads, a line a module: its file's name, then the names that it must come after.
order_of() {
    awk -v wanted="$*" '
        { path = $1; sub(/:$/, "", path); $1 = ""; needs[path] = $0 }
        END {
            count = split(wanted, order, " ")
            for (i = 1; i <= count; i++) print order[i] needs[order[i]]
        }
    ' "$all_modules/modules.dep"
}

# copy_modules FOLDER PATH…: with their folders, below FOLDER. Without their signatures, whose check under emulation
# takes longer than all the rest of loading (the image is checked as a whole, by its manifest), and without BTF, which
# the kernel would read through for tracers that nobody runs.
copy_modules() {
    local to=$1 path
    shift
    for path; do
        mkdir -p "$to/${path%/*}"
        "$(tool objcopy)" --strip-debug --remove-section=.BTF "$all_modules/$path" "$to/$path"
    done
}
