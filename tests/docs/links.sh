# SPDX-License-Identifier: MIT
# Links of the documents lead to files that exist, and to headings of these.
set -u
cd "$SOURCE" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# anchors FILE: of its headings, as GitHub makes them
anchors() {
    awk '/^```/ { fence = !fence } !fence && /^#+ / { sub(/^#+ /, ""); print tolower($0) }' "$1" |
        sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

# broken DOCUMENT...: a line for each link that leads nowhere
broken() {
    for doc; do
        awk '/^```/ { fence = !fence } !fence' "$doc" | grep -o '\]([^)]*)' | sed 's/^](//; s/)$//' |
            while read -r link; do
                case $link in
                http*) continue ;;
                '#'*) file=$doc ;;
                *) file=$(dirname "$doc")/${link%%#*} ;;
                esac
                [ -e "$file" ] || {
                    echo "$doc: there is no $link"
                    continue
                }
                case $link in
                *'#'*) anchors "$file" | grep -qxF -e "${link#*#}" || echo "$doc: no heading for $link" ;;
                esac
            done
    done
}

documents=$(find README.md docs configs tests/crosscheck tools/template -name '*.md' | sort)
# shellcheck disable=SC2086
broken $documents >"$work/found"
cat "$work/found"
n=$(for doc in $documents; do grep -o '\](' "$doc"; done | wc -l)
echo "$n links"

# And this test itself: what leads nowhere is found.
printf '[a](no-such.md) [b](#no-such) [c](#one-heading)\n\n# One heading!\n' >"$work/self.md"
[ "$(broken "$work/self.md" | wc -l)" -eq 2 ] || {
    echo 'this test does not find what it should'
    exit 1
}
[ ! -s "$work/found" ] && [ "$n" -gt 60 ]
