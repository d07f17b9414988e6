/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include "backend/cpu/kernels/kernel.h"
#include "base/memory.h"
#include "base/text.h"
#include "exec/launch.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The first line of a file that begins with `key`, without it; 0 = there is none. */
static int read_line(const char *path, const char *key, char *out, size_t size) {
    char line[512];
    FILE *in = fopen(path, "re");
    int found = 0;
    while (in != NULL && !found && fgets(line, sizeof line, in) != NULL) {
        found = strncmp(line, key, strlen(key)) == 0;
    }
    if (in != NULL) {
        fclose(in);
    }
    if (found) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, size, "%s", line + strlen(key) + strspn(line + strlen(key), "\t :"));
    }
    return found;
}

static void look_at_processor(struct doctor *d) {
    const struct nas_kernels *best = nas_kernels_find("auto");
    char model[256] = "unknown", kernels[128] = "";
    read_line("/proc/cpuinfo", "model name", model, sizeof model);
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const int usable = nas_launch_processors();
    doctor_note(d, FINDING_OK, "processor", "model", "%s", model);
    doctor_note(d, FINDING_OK, "processor", "count",
                "%ld online, %d for this process; run.workers 0 takes %d", online, usable, usable);
    for (const char *const *name = nas_kernel_names + 1; *name != NULL; name++) {
        const size_t used = strlen(kernels);
        if (nas_kernels_find(*name) != NULL) {
            snprintf(kernels + used, sizeof kernels - used, " %s", *name);
        }
    }
    doctor_note(d, best != NULL ? FINDING_OK : FINDING_FAILURE, "kernels", "chosen", "%s",
                best != NULL ? best->name : "none");
    doctor_note(d, FINDING_OK, "kernels", "usable", "%s", kernels + (kernels[0] == ' '));
}

static void look_at_blas(struct doctor *d) {
    doctor_note(d, FINDING_OK, "blas", "build", "%s, %s", nas_gemm_version(), nas_gemm_threading());
    if (nas_gemm_init(d->ctx) == MN_OK) {
        doctor_note(d, FINDING_OK, "blas", "threads", "1 within a task; tasks run side by side");
    } else {
        doctor_note_message(d, "blas", "threads");
    }
}

static void note_bytes(struct doctor *d, enum finding_level level, const char *area,
                       const char *name, int64_t bytes) {
    char text[32];
    doctor_note(d, level, area, name, "%s",
                bytes >= 0 ? nas_text_bytes((uint64_t)bytes, text, sizeof text) : "unknown");
}

/* A container may grant less than the machine has. */
static void look_at_group(struct doctor *d, const char *name, const char *const *paths) {
    char text[128];
    for (; *paths != NULL; paths++) {
        if (read_line(*paths, "", text, sizeof text)) {
            doctor_note(d, FINDING_OK, "memory", name, "%s", text);
            return;
        }
    }
}

static void look_at_memory(struct doctor *d) {
    static const char *const memory[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes", NULL};
    static const char *const cpu[] = {"/sys/fs/cgroup/cpu.max",
                                      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", NULL};
    const int64_t available = nas_memory_available(), least = (int64_t)256 << 20;
    note_bytes(d, available >= 0 && available < least ? FINDING_WARNING : FINDING_OK, "memory",
               "available", available);
    look_at_group(d, "cgroup limit", memory);
    look_at_group(d, "cgroup cpu", cpu);
}

/* `failed` is what getrlimit gave back; `bytes` = 0 for a number of things. */
static void note_limit(struct doctor *d, const char *name, int failed, const struct rlimit *limit,
                       int bytes, uint64_t least) {
    char text[32];
    if (failed != 0) {
        doctor_note(d, FINDING_WARNING, "limits", name, "%s", strerror(errno));
    } else if (limit->rlim_cur == RLIM_INFINITY) {
        doctor_note(d, FINDING_OK, "limits", name, "none");
    } else {
        doctor_note(d, limit->rlim_cur < least ? FINDING_WARNING : FINDING_OK, "limits", name, "%s",
                    bytes ? nas_text_bytes(limit->rlim_cur, text, sizeof text)
                          : nas_text_count((int64_t)limit->rlim_cur, text, sizeof text));
    }
}

static void look_at_limits(struct doctor *d) {
    struct rlimit l;
    note_limit(d, "open files", getrlimit(RLIMIT_NOFILE, &l), &l, 0, 64);
    note_limit(d, "stack", getrlimit(RLIMIT_STACK, &l), &l, 1, (uint64_t)1 << 20);
    note_limit(d, "address space", getrlimit(RLIMIT_AS, &l), &l, 1, (uint64_t)1 << 30);
    note_limit(d, "file size", getrlimit(RLIMIT_FSIZE, &l), &l, 1, (uint64_t)1 << 28);
}

static void look_at_disk(struct doctor *d) {
    struct statvfs s;
    if (statvfs(d->folder, &s) != 0) {
        doctor_note(d, FINDING_FAILURE, "disk", "folder", "%s: %s", d->folder, strerror(errno));
        return;
    }
    const uint64_t bytes = (uint64_t)s.f_bavail * s.f_frsize;
    doctor_note(d, FINDING_OK, "disk", "folder", "%s", d->folder);
    note_bytes(d, bytes < (uint64_t)1 << 30 ? FINDING_WARNING : FINDING_OK, "disk", "free",
               (int64_t)bytes);
}

void doctor_machine(struct doctor *d) {
    doctor_note(d, FINDING_OK, "program", "version", "metanas %s, %s precision, plugin ABI %d.%d",
                NAS_VERSION, sizeof(mn_real) == 8 ? "double" : "single", MN_ABI_MAJOR,
                MN_ABI_MINOR);
    look_at_processor(d);
    look_at_blas(d);
    look_at_memory(d);
    look_at_limits(d);
    look_at_disk(d);
}
