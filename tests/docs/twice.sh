# SPDX-License-Identifier: MIT
# Nothing is told twice: what a heading or the first cell of a table row defines (a command, a flag, an option
# section.key, a file, an environment variable) is defined in no other document. Logs and results do not define.
set -u
cd "$SOURCE" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# defined FILE: a line for each name in code type.
defined() {
    awk '/^```/ { fence = !fence } fence { next }
         /^#+ / { print }
         /^\|/ { split($0, cell, "|"); print cell[2] }' "$1" |
        sed -E 's/^#+ (metanas [a-z-]+)$/`\1`/' | grep -o '`[^`]*`' | tr -d '`' |
        sed -E 's/^-[a-z], //; s/^(metanas [a-z-]+).*/\1/; s/^(--[a-z-]+).*/\1/' |
        grep -xE 'metanas [a-z-]+|--[a-z-]+|[a-z_0-9*-]+\.[a-z_.0-9]+|[A-Z][A-Z_]{5,}' | sort -u
}

# twice DOCUMENT...: names that several of them define, with these. The flags of docs/performance.md are those of
# metanas-bench.
twice() {
    for doc; do
        defined "$doc" | case $doc in
        */performance.md) grep -v '^--' ;;
        *) cat ;;
        esac | sed "s,\$,: $doc,"
    done | sort | awk -F': ' '$1 == last { print last ": " before " and " $2 } { last = $1; before = $2 }'
}

set -- README.md docs/CONTRIBUTING.md docs/plugins/*.md docs/reference/*.md
for doc in docs/*.md; do
    case $doc in
    docs/results.md | docs/CONTRIBUTING.md) ;;
    *) set -- "$@" "$doc" ;;
    esac
done
twice "$@" >"$work/found"
cat "$work/found"
n=$(for doc; do defined "$doc"; done | wc -l)
echo "$n definitions in $# documents"

# And this test itself: what is told twice is found.
printf '## `metanas sweep`: again\n\n| `--tasks N` | |\n| `test.json` | |\n' >"$work/again.md"
again=$(twice "$@" "$work/again.md" | grep -c "$work/again.md")
[ "$again" -eq 3 ] || echo "finds $again of 3"
[ ! -s "$work/found" ] && [ "$n" -gt 100 ] && [ "$again" -eq 3 ]
