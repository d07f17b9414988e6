/* SPDX-License-Identifier: MIT */
#include "globals.h"

#include "mock.h"

#include <dirent.h>
#include <fenv.h>
#include <float.h>
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* FNV-1a */
static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 0x100000001B3u;
    }
    return hash * 0x100000001B3u;
}

static uint64_t hash_environment(void) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (char **at = environ; at != NULL && *at != NULL; at++) {
        hash = hash_text(hash, *at);
    }
    return hash;
}

/* A mode that rounds the smallest numbers to zero shows in their arithmetic. */
static int flushes_denormals(void) {
    volatile float small = FLT_MIN;
    volatile float half = small / 2;
    volatile float back = half * 2;
    return back < small;
}

static void take_handlers(struct kit_globals *out) {
    for (int i = 1; i <= KIT_SIGNALS; i++) {
        struct sigaction action;
        out->handlers[i] = SIG_DFL;
        if (sigaction(i, NULL, &action) == 0) {
            out->handlers[i] = action.sa_handler;
        }
    }
}

void kit_globals_take(struct kit_globals *out) {
    const char *locale = setlocale(LC_ALL, NULL);
    memset(out, 0, sizeof *out);
    snprintf(out->locale, sizeof out->locale, "%s", locale != NULL ? locale : "");
    if (getcwd(out->directory, sizeof out->directory) == NULL) {
        out->directory[0] = '\0';
    }
    out->rounding = fegetround();
    out->traps = fegetexcept();
    out->flushes = flushes_denormals();
    sigemptyset(&out->blocked);
    pthread_sigmask(SIG_SETMASK, NULL, &out->blocked);
    take_handlers(out);
    out->umask = umask(0);
    umask(out->umask);
    out->environment = hash_environment();
}

static void check_signals(const struct kit_globals *before, const struct kit_globals *now) {
    for (int i = 1; i <= KIT_SIGNALS; i++) {
        if (sigismember(&before->blocked, i) != sigismember(&now->blocked, i)) {
            mock_fail("signal_mask", "signal %d (%s) is now %s", i, strsignal(i),
                      sigismember(&now->blocked, i) == 1 ? "blocked" : "not blocked");
        }
        if (before->handlers[i] != now->handlers[i]) {
            mock_fail("signal_handler", "signal %d (%s) has another handler now", i, strsignal(i));
        }
    }
}

void kit_globals_check(const struct kit_globals *before) {
    struct kit_globals now;
    kit_globals_take(&now);
    if (strcmp(before->locale, now.locale) != 0) {
        mock_fail("locale", "the locale was '%s' and is now '%s'", before->locale, now.locale);
    }
    if (before->rounding != now.rounding || before->traps != now.traps ||
        before->flushes != now.flushes) {
        mock_fail("fp_mode", "%s",
                  before->rounding != now.rounding ? "the direction of rounding has changed"
                  : before->traps != now.traps     ? "floating-point traps were switched"
                                                   : "denormal numbers are now flushed to zero");
    }
    check_signals(before, &now);
    if (strcmp(before->directory, now.directory) != 0) {
        mock_fail("working_directory", "it was %s and is now %s", before->directory, now.directory);
    }
    if (before->umask != now.umask) {
        mock_fail("umask", "it was %03o and is now %03o", (unsigned)before->umask,
                  (unsigned)now.umask);
    }
    if (before->environment != now.environment) {
        mock_fail("environment", "the environment variables have changed");
    }
}

/* ---- counts ------------------------------------------------------------------------------- */

static int count_entries(const char *path) {
    DIR *folder = opendir(path);
    int n = 0;
    if (folder == NULL) {
        return -1;
    }
    while (readdir(folder) != NULL) {
        n++;
    }
    closedir(folder);
    return n;
}

int kit_count_descriptors(void) {
    return count_entries("/proc/self/fd");
}

int kit_count_threads(void) {
    return count_entries("/proc/self/task");
}

static int64_t heap_bytes(void) {
    const struct mallinfo2 info = mallinfo2();
    return (int64_t)(info.uordblks + info.hblkhd);
}

int64_t kit_count_heap(void) {
    static int counts = -1;
    if (counts < 0) { /* the allocators of sanitizers return zeros */
        const int64_t before = heap_bytes();
        void *volatile block = malloc(100000);
        counts = heap_bytes() - before >= 100000;
        free(block);
    }
    return counts ? heap_bytes() : -1;
}
