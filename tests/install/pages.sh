# SPDX-License-Identifier: MIT
# The reference pages are what the program says today; every command has a manual page without faults.
. "$SOURCE/tests/install/lib.sh"

"$SOURCE/tools/manual/reference" "$METANAS" reference
check
diff -r -u "$SOURCE/docs/reference" reference >difference ||
    fail "docs/reference is out of date: ninja -C build reference
$(cat difference)"
for unit in $("$METANAS" list | sed -n 's/^    \([a-z_]*\)  *\([a-z0-9_]*\) .*/\1:\2/p'); do
    [ "${unit%:*}" != transport ] || continue # its plugin is there only where MPI is
    holds "$unit has a section" grep -q "^## ${unit%:*} \`${unit#*:}\`$" "reference/${unit%:*}.md"
done

manuals=$(dirname "$(find tree -name metanas.1)")
"$METANAS" help | sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/metanas-\1.1/p' >wanted
echo metanas.1 >>wanted
sort wanted >expected
ls "$manuals" | sort >out
same 'one manual page a command' expected out
for page in "$manuals"/*.1; do
    name=${page##*/}
    if command -v mandoc >/dev/null; then
        holds "$name without faults" mandoc -T lint -W warning "$page"
    fi
    if command -v groff >/dev/null; then
        holds "$name in groff" [ -z "$(groff -mdoc -ww -z "$page" 2>&1)" ]
    fi
done
command -v mandoc >/dev/null || command -v groff >/dev/null || echo 'neither mandoc nor groff: pages not checked'
for flag in set out plugin-dir; do
    holds "train has --$flag" grep -q "^\.It .*Fl Fl $flag Ar " "$manuals/metanas-train.1"
done
refused 'a page for what is no command' 2 help --man op_mixer <<'T'
metanas: help: 'op_mixer' is no command, and only commands have pages
T
finish
