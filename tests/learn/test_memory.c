/* SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include "../support/check.h"

#include <sys/mman.h>

enum { BYTES = 96 << 20, SLACK = 16 << 20 };

/* Touch memory and give it back: what is resident rises and falls by as much, the peak stays until
 * it is forgotten. */
static void test_peak(void **state) {
    if (nas_memory_now() < 0 || !nas_memory_reset_peak()) {
        print_message("skipped: this system does not tell resident memory\n");
        skip();
    }
    const int64_t before = nas_memory_now();
    char *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(at != MAP_FAILED);
    memset(at, 1, BYTES);
    const int64_t with = nas_memory_now();
    assert_int_equal(munmap(at, BYTES), 0);
    const int64_t after = nas_memory_now(), peak = nas_memory_peak();
    assert_true(with - before > BYTES - SLACK && with - before < BYTES + SLACK);
    assert_true(after < with - BYTES + SLACK);
    assert_true(peak >= with - SLACK && peak < with + SLACK);
    assert_int_equal(nas_memory_reset_peak(), 1);
    assert_true(nas_memory_peak() < after + SLACK);
}

static void test_available(void **state) {
    const int64_t available = nas_memory_available();
    if (available < 0) {
        print_message("skipped: this system does not tell available memory\n");
        skip();
    }
    assert_true(available > 1 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peak),
        cmocka_unit_test(test_available),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
