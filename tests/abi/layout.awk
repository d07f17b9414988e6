# SPDX-License-Identifier: MIT
# From the public headers to a program that prints their layout, a line for each struct and enum: its
# size and field:offset:size of every field, the value of every enumerator.

{ text = text $0 "\n" }

function strip_comments(s,    out, at, end) {
    out = ""
    while ((at = index(s, "/*")) > 0) {
        out = out substr(s, 1, at - 1) " "
        s = substr(s, at + 2)
        end = index(s, "*/")
        s = substr(s, end + 2)
    }
    return out s
}

# The name that a declaration declares: (*NAME)(...), or the last word before any [.
function declared(s) {
    if (match(s, /\(\*[a-z_0-9]+\)/)) {
        return substr(s, RSTART + 2, RLENGTH - 3)
    }
    sub(/\[.*/, "", s)
    sub(/[ \t\n]+$/, "", s)
    match(s, /[A-Za-z_0-9]+$/)
    return RSTART > 0 ? substr(s, RSTART, RLENGTH) : ""
}

function put_fields(name, body,    declarations, names, n, m, i, j, field) {
    printf "    printf(\"\\n%s %%zu\", sizeof(%s));\n", name, name
    n = split(body, declarations, ";")
    for (i = 1; i <= n; i++) {
        m = declarations[i] ~ /\(/ ? 1 : split(declarations[i], names, ",")
        if (m == 1) {
            names[1] = declarations[i]
        }
        for (j = 1; j <= m; j++) {
            field = declared(names[j])
            if (field != "") {
                printf "    printf(\" %s:%%zu:%%zu\", offsetof(%s, %s), ", field, name, field
                printf "sizeof(((%s *)0)->%s));\n", name, field
            }
        }
    }
}

function put_values(name, body,    values, n, i) {
    printf "    printf(\"\\n%s\");\n", name
    n = split(body, values, ",")
    for (i = 1; i <= n; i++) {
        sub(/=.*/, "", values[i])
        gsub(/[ \t\n]/, "", values[i])
        if (values[i] != "") {
            printf "    printf(\" %s=%%lld\", (long long)%s);\n", values[i], values[i]
        }
    }
}

END {
    print "/* Made from the public headers by layout.awk. */"
    print "#include <metanas/plugin.h>"
    print "#include <stdio.h>"
    print "int main(void) {"
    print "    printf(\"MN_MAGIC 0x%08x\", MN_MAGIC);"
    text = strip_comments(text)
    while (match(text, /(struct|enum) mn_[a-z_0-9]+ *\{/)) {
        name = substr(text, RSTART, RLENGTH - 1)
        sub(/ *$/, "", name)
        text = substr(text, RSTART + RLENGTH)
        body = substr(text, 1, index(text, "}") - 1)
        if (name ~ /^struct/) {
            put_fields(name, body)
        } else {
            put_values(name, body)
        }
    }
    print "    puts(\"\");"
    print "    return 0;"
    print "}"
}
