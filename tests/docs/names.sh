# SPDX-License-Identifier: MIT
# Stale places in documents: each function, file and test that numerics.md and architecture.md name
# in code type exists. With another folder of documents in DOCS: theirs.
set -u
cd "$SOURCE" || exit 1
docs=${DOCS:-docs}
failures=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stale() {
    failures=$((failures + 1))
    echo "STALE: $*"
}

# Every word of the sources and their files; and the functions that are tests.
sources='core include plugins tools tests'
# shellcheck disable=SC2086
grep -rhoE --exclude-dir=docs --include='*.[ch]' --include='*.sh' --include='*.py' --include=meson.build \
    '[A-Za-z_][A-Za-z0-9_]*' $sources meson.build | sort -u >"$work/words"
# shellcheck disable=SC2086
find $sources docs -print | sort >"$work/files"
grep -rhoE --include='*.c' '[a-z0-9_]+\(void \*\*' tests | sed 's/(.*//' | sort -u >"$work/tests"

# in_code FILE: what stands between backquotes, a line each
in_code() {
    grep -o '`[^`]*`' "$1" | tr -d '`' | sort -u
}

for doc in "$docs/numerics.md" "$docs/architecture.md"; do
    in_code "$doc" >"$work/tokens"
    n=$(wc -l <"$work/tokens")
    [ "$n" -gt 50 ] || stale "$doc: only $n names in code type: is it read right?"

    # Files and folders: a path from the top, or the end of one.
    grep -E '^[A-Za-z0-9_./*-]+$' "$work/tokens" |
        grep -E '^(core|include|plugins|tools|tests|docs)(/|$)|^[a-z0-9_-]+/$|^[a-z0-9_]+\.(c|h|sh|py|md|txt)$' |
        while read -r name; do
            pattern=$(printf '%s' "${name%/}" | sed 's/[.]/\\./g; s/\*/.*/g')
            grep -qE "(^|/)$pattern\$" "$work/files" || echo "$name"
        done >"$work/missing"
    while read -r name; do
        stale "$doc: there is no file '$name'"
    done <"$work/missing"

    # Tests.
    grep -E '^test_[a-z0-9_]+$' "$work/tokens" | sort | comm -23 - "$work/tests" >"$work/missing"
    while read -r name; do
        stale "$doc: there is no test '$name'"
    done <"$work/missing"

    # Functions, options and other names of more than one word, and what the core calls its own.
    sed 's/^struct //; s/(.*)$//' "$work/tokens" | grep -E '^[A-Za-z][A-Za-z0-9]*(_+[A-Za-z0-9]+)+$' | grep -v '^test_' |
        sort -u | comm -23 - "$work/words" >"$work/missing"
    while read -r name; do
        [ -e "plugins/$name" ] || grep -q "/$name\." "$work/files" || [ "$name" = NAME_f64 ] ||
            stale "$doc: nothing is called '$name'"
    done <"$work/missing"
done

# The tests and sources that the promises name, by the end of their paths.
for doc in "$docs/reliability.md" "$docs/CONTRIBUTING.md"; do
    [ -e "$doc" ] || continue
    in_code "$doc" | grep -E '^[A-Za-z0-9_./-]+/[A-Za-z0-9_.-]+\.(c|h|sh|md|txt|def|build)$' | grep -v NAME | while read -r name; do
        grep -qF "/$name" "$work/files" || grep -qxF "$name" "$work/files" || echo "$name"
    done >"$work/missing"
    while read -r name; do
        stale "$doc: there is no file '$name'"
    done <"$work/missing"
done

# ---- limits in the helps of scripts ----

# The default number of executions, and the targets, of tools/fuzz.
said=$(sed -n 's/^# N executions of each (default \([0-9]*\)).*/\1/p' tools/fuzz)
[ "$said" = "$(sed -n 's/^runs=//p' tools/fuzz)" ] || stale "tools/fuzz: its help says $said executions"
sed -n '/^\[ \$# -gt 0 \] || set --/,/[^\\]$/p' tools/fuzz | sed 's/.*set --//' | tr -d '\\' | tr -s ' ' '\n' |
    grep . | sort >"$work/run"
sed -n '/^fuzz_programs = {/,/^}/p' tests/fuzz/meson.build | grep -o "'[a-z]*'" | tr -d "'" | grep -v replay |
    sort >"$work/built"
diff "$work/run" "$work/built" || stale 'tools/fuzz runs other targets than tests/fuzz builds'
for target in $(cat "$work/built"); do
    [ -d "tests/fuzz/corpus/$target" ] || stale "tests/fuzz/corpus/$target: there is none"
done

# Limits of a sweep, as docs/guide.md tells them.
for limit in MOST_LABEL MOST_ARMS MOST_RUNS MOST_NAME MOST_DRAWN; do
    value=$(grep -ohE "$limit = [0-9]+" tools/metanas/sweep/*.[ch] | sed 's/.*= //')
    shown=$(printf '%s' "$value" | sed -e :a -e 's/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/; ta')
    grep -qE "(^|[^0-9,])$shown([^0-9,]|\$)" "$docs/guide.md" ||
        stale "docs/guide.md does not tell of $shown ($limit of tools/metanas/sweep)"
done

# ---- and this test itself: what is not there is found ----

if [ "$docs" = docs ]; then
    mkdir "$work/docs"
    cp docs/*.md "$work/docs"
    # shellcheck disable=SC2016
    printf '`nas_no_such_function` `core/learn/no_such_file.c` `test_no_such_test` `no_such.c`\n' >>"$work/docs/numerics.md"
    found=$(DOCS=$work/docs sh "$0" | grep -c '^STALE: .*no_such')
    [ "$found" -eq 4 ] || stale "this test finds $found of 4 stale names"
fi

[ "$failures" -eq 0 ] && echo 'every name is there'
exit $((failures > 0))
