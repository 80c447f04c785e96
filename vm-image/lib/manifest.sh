# manifest.json: what the image is, for `gantry machine` to check before it boots it.
# shellcheck shell=bash

write_manifest() {
    local name entry separator=''
    {
        echo '{'
        echo '  "format": 1,'
        echo "  \"arch\": \"$arch\","
        echo "  \"version\": \"$version\","
        echo "  \"kernel\": \"$kernel_version\","
        echo "  \"epoch\": $(epoch),"
        echo '  "files": {'
        for name in vmlinuz initrd.img root.img; do
            printf '%s    "%s": { "sha256": "%s", "size": %s }' "$separator" "$name" \
                "$(sha256sum "$output/$name.new" | cut -d ' ' -f 1)" "$(stat -c %s "$output/$name.new")"
            separator=$',\n'
        done
        printf '\n  },\n  "packages": {\n'
        separator=''
        for entry in "${taken[@]}"; do
            printf '%s    "%s": "%s"' "$separator" "${entry% *}" "${entry#* }"
            separator=$',\n'
        done
        printf '\n  }\n}\n'
    } >"$output/manifest.json.new"
}
