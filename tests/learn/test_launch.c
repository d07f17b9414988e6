/* SPDX-License-Identifier: MIT */

/* Processors of this process under control groups of other machines: files of /proc and /sys are
 * taken from a folder. */

#include "exec/launch.h"

#include "support/folder.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct folder root;

FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);

FILE *__wrap_fopen64(const char *path, const char *mode) {
    char there[PATH_MAX];
    const int system = strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
    snprintf(there, sizeof there, "%s%s", system ? root.path : "", path);
    return __real_fopen64(there, mode);
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set) {
    CPU_ZERO_S(size, set);
    for (size_t i = 0; i < 8; i++) {
        CPU_SET_S(i, size, set);
    }
    return 0;
}

static void put(const char *path, const char *text) {
    char there[PATH_MAX];
    snprintf(there, sizeof there, "%s%s", root.path, path);
    for (char *at = there + strlen(root.path) + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            mkdir(there, 0777);
            *at = '/';
        }
    }
    file_put(there, text, strlen(text));
}

static int begin(void **state) {
    folder_new(&root);
    return 0;
}

static int end(void **state) {
    folder_remove(&root);
    return 0;
}

static void test_workers_0_without_quota_takes_the_affinity(void **state) {
    put("/proc/self/cgroup", "0::/user.slice\n");
    put("/sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
    assert_int_equal(nas_launch_processors(), 8);
}

static void test_workers_0_respects_quota_of_version_2(void **state) {
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_int_equal(nas_launch_processors(), 1);
    put("/sys/fs/cgroup/cpu.max", "250000 100000\n");
    assert_int_equal(nas_launch_processors(), 3);
    put("/sys/fs/cgroup/cpu.max", "10000 100000\n");
    assert_int_equal(nas_launch_processors(), 1);
    put("/sys/fs/cgroup/cpu.max", "9900000 100000\n");
    assert_int_equal(nas_launch_processors(), 8);
}

static void test_workers_0_respects_the_least_of_nested_quotas(void **state) {
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    assert_int_equal(nas_launch_processors(), 2);
}

/* In a container the path may be that of the host, and only the top is to be seen. */
static void test_workers_0_respects_quota_of_a_container(void **state) {
    put("/proc/self/cgroup", "0::/system.slice/docker-0123.scope\n");
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    assert_int_equal(nas_launch_processors(), 3);
}

static void test_workers_0_respects_quota_of_version_1(void **state) {
    put("/proc/self/cgroup", "3:memory:/job\n2:cpu,cpuacct:/job/step\n1:name=systemd:/job\n");
    put("/sys/fs/cgroup/cpu,cpuacct/job/step/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/job/step/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "50000\n");
    assert_int_equal(nas_launch_processors(), 3);
    put("/sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "1\n"); /* another controller */
    assert_int_equal(nas_launch_processors(), 3);
}

static void test_workers_0_with_both_versions(void **state) {
    put("/proc/self/cgroup", "2:cpuacct:/\n1:cpu:/\n0::/x\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "500000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(nas_launch_processors(), 5);
    put("/sys/fs/cgroup/unified/x/cpu.max", "400000 100000\n");
    assert_int_equal(nas_launch_processors(), 4);
}

static void test_damaged_quotas_are_none(void **state) {
    put("/proc/self/cgroup", "nonsense\n0:\n0::/x\n");
    put("/sys/fs/cgroup/cpu.max", "many 100000\n");
    put("/sys/fs/cgroup/x/cpu.max", "100000\n");
    assert_int_equal(nas_launch_processors(), 8);
    put("/sys/fs/cgroup/x/cpu.max", "100000 0\n");
    assert_int_equal(nas_launch_processors(), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_workers_0_without_quota_takes_the_affinity, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_workers_0_respects_quota_of_version_2, begin, end),
        cmocka_unit_test_setup_teardown(test_workers_0_respects_the_least_of_nested_quotas, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_workers_0_respects_quota_of_a_container, begin, end),
        cmocka_unit_test_setup_teardown(test_workers_0_respects_quota_of_version_1, begin, end),
        cmocka_unit_test_setup_teardown(test_workers_0_with_both_versions, begin, end),
        cmocka_unit_test_setup_teardown(test_damaged_quotas_are_none, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
