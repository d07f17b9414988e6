/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "metanas/rng.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void whole_numbers(void **state) {
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"10", 10},
                {"+7", 7},
                {"-42", -42},
                {"010", 10},
                {"1_000", 1000},
                {"-1_000_000", -1000000},
                {"1e3", 1000},
                {"1.5e1", 15},
                {"2.5E+2", 250},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"9007199254740991e0", ((int64_t)1 << 53) - 1}};
    static const char *const bad[] = {"",
                                      " ",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1.5",
                                      "_1",
                                      "1_",
                                      "1__0",
                                      "-_1",
                                      "--1",
                                      "+-1",
                                      "-",
                                      "+",
                                      "0x10",
                                      "0b1",
                                      "1,000",
                                      "1e-1",
                                      "9007199254740992e0",
                                      "1e400",
                                      "e3",
                                      "1e",
                                      "ten",
                                      "1k",
                                      "9223372036854775808",
                                      "1e19",
                                      "nan",
                                      "inf",
                                      "\t1",
                                      "1\n",
                                      "\xD9\xA3",
                                      "-9223372036854775809",
                                      "99999999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t out = 77;
        assert_int_equal(nas_text_int(good[i].text, &out), 1);
        assert_int_equal(out, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t out;
        if (nas_text_int(bad[i], &out)) {
            fail_msg("'%s' was taken for a whole number", bad[i]);
        }
    }
}

static void real_numbers(void **state) {
    static const struct {
        const char *text;
        double value;
    } good[] = {{"1", 1},
                {"1.5", 1.5},
                {".5", 0.5},
                {"5.", 5},
                {"-2.25", -2.25},
                {"+1e-3", 1e-3},
                {"1E3", 1000},
                {"0", 0},
                {"0e999", 0},
                {"4.9e-324", 4.9406564584124654e-324},
                {"1.7976931348623157e308", 1.7976931348623157e308},
                {"0.1000000000000000055511151231257827", 0.1}};
    static const char *const bad[] = {"",      " 1",       "1 ",    "1,5",    "1.5.2", "1e",
                                      "e5",    ".",        "-",     "nan",    "NaN",   "inf",
                                      "-inf",  "Infinity", "1e309", "1e-400", "0x1p3", "1f",
                                      "1_0.5", "1.5e1.5",  "--1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        double out = 77;
        assert_int_equal(nas_text_real(good[i].text, &out), 1);
        assert_true(out == good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double out;
        if (nas_text_real(bad[i], &out)) {
            fail_msg("'%s' was taken for a number", bad[i]);
        }
    }
}

static void check_written(double x, const char *expected) {
    char text[40];
    assert_int_equal(nas_text_from_real(x, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
}

static void reals_are_written_short(void **state) {
    check_written(0, "0");
    check_written(-0.0, "-0");
    check_written(0.1, "0.1");
    check_written(1000, "1000");
    check_written(-250000, "-250000");
    check_written(0.005, "0.005");
    check_written(1e-10, "1e-10");
    check_written(1e22, "1e+22");
    check_written(1.0 / 3, "0.3333333333333333");
    check_written(0.1 + 0.2, "0.30000000000000004");
    check_written(123456.5, "123456.5");
}

/* Any bit pattern that is a finite number comes back as the same bits. */
static void reals_round_trip(void **state) {
    struct mn_rng rng = mn_rng_make(11, MN_RNG_PLUGIN, 0, 0, 0, 0);
    for (int i = 0; i < 20000; i++) {
        const uint64_t bits = (uint64_t)mn_rng_u32(&rng) << 32 | mn_rng_u32(&rng);
        double x, back = 0;
        char text[40];
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x)) {
            continue;
        }
        assert_in_range(nas_text_from_real(x, text, sizeof text), 1, 24);
        assert_int_equal(nas_text_real(text, &back), 1);
        assert_memory_equal(&back, &x, sizeof x);
    }
}

/* A locale with a decimal comma: one that is installed, else one made for this test. */
static int comma_locale(void) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",  "de_DE",      "fr_FR.UTF-8",
                                        "fr_FR.utf8",  "es_ES.UTF-8", "it_IT.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (setlocale(LC_ALL, names[i]) != NULL && strcmp(localeconv()->decimal_point, ",") == 0) {
            return 1;
        }
    }
    return 0;
}

static char made_in[256];

static int make_locale(void) {
    const char *base = getenv("TMPDIR");
    char command[1024];
    snprintf(made_in, sizeof made_in, "%s/locale.XXXXXX", base != NULL ? base : P_tmpdir);
    if (mkdtemp(made_in) == NULL) {
        made_in[0] = '\0';
        return 0;
    }
    snprintf(command, sizeof command,
             "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null 2>&1", made_in);
    return system(command) == 0 && setenv("LOCPATH", made_in, 1) == 0 && comma_locale();
}

static int leave_locale(void **state) {
    char command[512];
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    if (made_in[0] == '\0') {
        return 0;
    }
    snprintf(command, sizeof command, "rm -rf '%s'", made_in);
    return system(command);
}

static void numbers_ignore_a_decimal_comma(void **state) {
    if (!comma_locale() && !make_locale()) {
        print_message("skipped: no locale with a decimal comma is installed, and localedef cannot "
                      "make de_DE.UTF-8\n");
        skip();
    }
    char text[40];
    snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5"); /* the locale is really on */
    whole_numbers(state);
    real_numbers(state);
    reals_are_written_short(state);
    reals_round_trip(state);
}

static void nearest_names(void **state) {
    static const char *const names[] = {"tau_start", "tau_end", "anneal", "steps",
                                        "lr_w",      "lr_a",    "use",    "k"};
    static const char *const cases[][2] = {{"tau_start", "tau_start"},
                                           {"tau_strat", "tau_start"},
                                           {"taustart", "tau_start"},
                                           {"tau_ends", "tau_end"},
                                           {"aneal", "anneal"},
                                           {"step", "steps"},
                                           {"setps", "steps"},
                                           {"lrw", "lr_w"},
                                           {"lr_b", "lr_w"},
                                           {"ues", "use"},
                                           {"temperature", NULL},
                                           {"x", NULL},
                                           {"", NULL},
                                           {"completely_different_thing", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *near = nas_text_nearest(cases[i][0], names, sizeof names / sizeof names[0]);
        if (cases[i][1] == NULL) {
            assert_null(near);
        } else {
            assert_non_null(near);
            assert_string_equal(near, cases[i][1]);
        }
    }
    char endless[5000];
    memset(endless, 'k', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_null(nas_text_nearest(endless, names, 8));
    assert_null(nas_text_nearest("steps", names, 0));
}

static void counts_have_commas(void **state) {
    static const struct {
        int64_t n;
        const char *text;
    } cases[] = {{0, "0"},
                 {999, "999"},
                 {1000, "1,000"},
                 {1234567, "1,234,567"},
                 {-1234, "-1,234"},
                 {INT64_MIN, "-9,223,372,036,854,775,808"},
                 {INT64_MAX, "9,223,372,036,854,775,807"}};
    char text[40];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(nas_text_count(cases[i].n, text, sizeof text), cases[i].text);
    }
}

static void sizes_have_units(void **state) {
    char text[40];
    assert_string_equal(nas_text_bytes(0, text, sizeof text), "0 bytes");
    assert_string_equal(nas_text_bytes(999, text, sizeof text), "999 bytes");
    assert_string_equal(nas_text_bytes(1000, text, sizeof text), "1.0 kB");
    assert_string_equal(nas_text_bytes(12345678, text, sizeof text), "12.3 MB");
    assert_string_equal(nas_text_bytes(UINT64_MAX, text, sizeof text), "18446744.1 TB");
}

static void durations_have_units(void **state) {
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{-1, "0.0 s"},          {0.04, "0.0 s"},      {3.25, "3.2 s"},
                 {59.4, "59 s"},         {59.6, "1 min 00 s"}, {125, "2 min 05 s"},
                 {3599.7, "1 h 00 min"}, {3780, "1 h 03 min"}, {360000, "100 h 00 min"},
                 {INFINITY, "unknown"},  {NAN, "unknown"}};
    char text[40];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(nas_text_duration(cases[i].seconds, text, sizeof text), cases[i].text);
    }
}

/* ---- terminals ---------------------------------------------------------------------------- */

static void control_characters_never_reach_a_terminal(void **state) {
    static const struct {
        const char *text, *clean;
        int control, utf8;
    } cases[] = {{"plain\ttext\n", "plain\ttext\n", 0, 1},
                 {"\033[31mred\007\r\177", "?[31mred???", 1, 1},
                 {"caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x90\x88",
                  "caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x90\x88", 0, 1},
                 {"caf\xe9", "caf?", 0, 0},
                 {"\xc2\x9b"
                  "31m",
                  "?31m", 1, 1},                            /* CSI in one character */
                 {"\xe2\x80\xaegnp.exe", "?gnp.exe", 1, 1}, /* right to left */
                 {"\xc0\x9b\xed\xa0\x80\xf8", "??????", 0, 0},
                 {"cut \xe6\x97", "cut ??", 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", cases[i].text);
        assert_int_equal(nas_text_has_control(text), cases[i].control);
        assert_int_equal(nas_text_is_utf8(text), cases[i].utf8);
        assert_string_equal(nas_text_clean(text), cases[i].clean);
    }
}

static void columns_align_by_display_width(void **state) {
    char text[64];
    (void)state;
    assert_int_equal(nas_text_width("plain"), 5);
    assert_int_equal(nas_text_width("caf\xc3\xa9"), 4);
    assert_int_equal(nas_text_width("e\xcc\x81"), 1);                /* a combining accent */
    assert_int_equal(nas_text_width("\xe6\x97\xa5\xe6\x9c\xac"), 4); /* two wide characters */
    assert_int_equal(nas_text_width("\033[K"), 3);
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_non_null(out);
    nas_text_put(out, "\xe6\x97\xa5\033", 5);
    nas_text_put(out, "long", 2);
    fputc('|', out);
    fclose(out);
    assert_string_equal(text, "\xe6\x97\xa5?  long|");
}

static void singular_and_plural(void **state) {
    (void)state;
    assert_string_equal(nas_text_s(1), "");
    assert_string_equal(nas_text_s(0), "s");
    assert_string_equal(nas_text_s(2), "s");
}

static void what_is_not_finite(void **state) {
    char text[40];
    (void)state;
    assert_string_equal(nas_text_finite(0.5, "", text, sizeof text), "0.5");
    assert_string_equal(nas_text_finite((double)NAN, "null", text, sizeof text), "null");
    assert_string_equal(nas_text_finite(-(double)INFINITY, "", text, sizeof text), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(real_numbers),
        cmocka_unit_test(reals_are_written_short),
        cmocka_unit_test(reals_round_trip),
        cmocka_unit_test_teardown(numbers_ignore_a_decimal_comma, leave_locale),
        cmocka_unit_test(nearest_names),
        cmocka_unit_test(counts_have_commas),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(control_characters_never_reach_a_terminal),
        cmocka_unit_test(columns_align_by_display_width),
        cmocka_unit_test(what_is_not_finite),
        cmocka_unit_test(singular_and_plural),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
