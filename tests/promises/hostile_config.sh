# SPDX-License-Identifier: MIT
# Malicious configurations: each is refused with its place, in little time
# and little memory.
. "$SOURCE/tests/cli/lib.sh"

most_kb=200000 # an honest run of the program takes about a fifth
most_seconds=20

# harmful WHAT TEXT COMMAND...: it ends with 2, TEXT (a basic regular expression) is on standard error.
harmful() {
    what=$1 text=$2
    shift 2
    check
    began=$(date +%s)
    "$PEAK" "$METANAS" "$@" >out 2>err </dev/null
    got=$?
    took=$(($(date +%s) - began))
    kb=$(tail -n 1 out)
    [ "$got" -eq 2 ] || fail "$what: exit code $got, expected 2: $(head -n 3 err)"
    LC_ALL=C grep -aq -- "$text" err || fail "$what: standard error lacks '$text': $(head -n 3 err)"
    [ "$kb" -le "$most_kb" ] || [ -n "${ASAN_OPTIONS-}" ] || fail "$what: $kb kilobytes"
    [ "$took" -le "$most_seconds" ] || fail "$what: $took seconds"
}

# repeat N TEXT: the text N repeat
repeat() {
    awk -v n="$1" -v t="$2" 'BEGIN { for (i = 0; i < n; i++) printf "%s", t }'
}

# ---- depth
{ printf 'run: ' && repeat 100000 '['; } >deep.yaml
harmful 'deep lists' 'deep.yaml:1:[0-9]*: nested deeper than 10 levels' validate deep.yaml
{ printf 'run: ' && repeat 100000 '{a: '; } >maps.yaml
harmful 'deep maps' 'maps.yaml:1:[0-9]*: nested deeper than 10 levels' validate maps.yaml
repeat 100000 '- ' >dashes.yaml
harmful 'deep dashes' 'dashes.yaml:1:[0-9]*: nested deeper than 10 levels' validate dashes.yaml
repeat 100000 '? ' >marks.yaml
harmful 'deep question marks' 'marks.yaml:1:[0-9]*: ' validate marks.yaml

# ---- aliases
{
    echo 'a0: &a0 [x, x, x, x, x, x, x, x, x]'
    for i in 1 2 3 4 5 6 7 8 9; do
        p=a$((i - 1))
        echo "a$i: &a$i [*$p, *$p, *$p, *$p, *$p, *$p, *$p, *$p, *$p]"
    done
} >laughs.yaml
harmful 'a billion laughs' 'laughs.yaml:10:[0-9]*: aliases (\*a8) are not supported' validate laughs.yaml
echo 'run: &r {seed: *r}' >self.yaml
harmful 'an alias of itself' 'self.yaml:1:[0-9]*: aliases' validate self.yaml
printf 'run: {seed: 1}\ntask:\n  <<: *x\n' >merge.yaml
harmful 'a merge key' 'merge.yaml:3:7: ' validate merge.yaml

# ---- sizes
{ echo 'run: {name: "' && repeat 1100000 'x' && echo '"}'; } >long.yaml
harmful 'a file too long' 'long.yaml: more than 1048576 bytes' validate long.yaml
{ printf 'run: [' && repeat 200000 '1,' && echo ']'; } >values.yaml
harmful 'too many values' 'more than 100000 values' validate values.yaml
awk 'BEGIN { print "run:"; for (i = 0; i < 2000; i++) print "  k" i ": 1" }' >keys.yaml
harmful 'too many keys' 'keys.yaml:1002:3: more than 1000 keys' validate keys.yaml
{ printf 'run: {' && repeat 400000 'k' && echo ': 1}'; } >key.yaml
harmful 'a long key' 'key.yaml:1:[0-9]*: ' validate key.yaml
{ printf 'run: {seed: ' && repeat 500000 '9' && echo '}'; } >digits.yaml
harmful 'a long number' 'digits.yaml:1:13: run: seed: ' validate digits.yaml
{ printf 'search_space: {use: ' && repeat 100000 'x' && echo '}'; } >use.yaml
harmful 'a long name of a plugin' 'use.yaml:1:21' validate use.yaml
printf 'search_space: {use: ../../../../../../tmp/x}\n' >path.yaml
harmful 'a plugin by a relative path' 'path.yaml:1:21' validate path.yaml

# ---- bytes
printf 'run: {name: "a\0b"}\n' >zero.yaml
harmful 'a zero byte' 'zero.yaml:1:[0-9]*: not valid YAML: control characters' validate zero.yaml
printf 'run: {name: "a\\0b"}\n' >escaped.yaml
harmful 'an escaped zero byte' 'escaped.yaml:1:13: the text holds a zero byte' validate escaped.yaml
printf 'run:\n  name: \377\376x\n' >utf8.yaml
harmful 'invalid UTF-8' 'utf8.yaml:2:9: not valid YAML: invalid leading UTF-8 octet' validate utf8.yaml
printf 'run:\n  name: \355\240\200\n' >surrogate.yaml
harmful 'a surrogate' 'surrogate.yaml:2:9: not valid YAML' validate surrogate.yaml
printf 'run:\n  name: \300\257\n' >overlong.yaml
harmful 'an overlong form' 'overlong.yaml:2:9: not valid YAML' validate overlong.yaml
printf '\377\376r\0u\0n\0:\0 \0[\0]\0\n\0' >wide.yaml
harmful 'UTF-16' 'wide.yaml:' validate wide.yaml
head -c 65536 "$METANAS" >program.yaml
harmful 'a program' 'program.yaml:1:' validate program.yaml

# ---- keys
printf 'run:\n  seed: 1\n  seed: 2\n' >twice.yaml
harmful 'a duplicate key' "twice.yaml:3:3: duplicate key 'seed'; it was given in line 2" validate twice.yaml
printf 'run: {"seed": 1, seed: 2}\n' >quoted.yaml
harmful 'a duplicate key in quotes' "quoted.yaml:1:18: duplicate key 'seed'" validate quoted.yaml
printf 'run: {[a]: 1}\n' >list.yaml
harmful 'a list as a key' 'list.yaml:1:7: a key must be plain text' validate list.yaml
printf 'run: {"%%s%%s%%n": 1}\n' >format.yaml
harmful 'a format as a key' "format.yaml:1:7: .*unknown key '%s%s%n'" validate format.yaml
printf 'a: !!python/object/apply:os.system [x]\n' >tag.yaml
harmful 'a tag' 'tag.yaml:1:4: tags' validate tag.yaml

# ---- the command line
harmful 'a deep value' 'argument .* nested deeper than 10 levels' validate "$SOURCE/configs/smoke.yaml" --set "run.seed=$(repeat 5000 '[')"
harmful 'an alias' 'argument .*: aliases' validate "$SOURCE/configs/smoke.yaml" --set 'run.seed=*a'
harmful 'a deep key' "argument .*unknown section 'a'" validate "$SOURCE/configs/smoke.yaml" --set "$(repeat 50000 'a.')a=1"
harmful 'invalid UTF-8 in a value' 'argument 4 is not UTF-8' validate "$SOURCE/configs/smoke.yaml" --set "$(printf 'run.name=\377')"
harmful 'no value' 'argument .*: expected section.key=value' validate "$SOURCE/configs/smoke.yaml" --set 'run.seed'

finish
