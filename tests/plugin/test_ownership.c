/* SPDX-License-Identifier: MIT */
/* Another user's code does not run as the caller: whose files and folders are taken. */

#include "../support/check.h"
#include "../support/folder.h"

#include "base/ownership.h"

#include <sys/stat.h>
#include <unistd.h>

enum { STRANGER = 65533 };

static struct nas_ctx ctx;
static struct folder folder;

static int setup(void **state) {
    nas_ctx_init(&ctx, NULL);
    folder_new(&folder);
    assert_int_equal(chmod(folder.path, 0755), 0);
    return 0;
}

static int teardown(void **state) {
    folder_remove(&folder);
    nas_ctx_fini(&ctx);
    return 0;
}

static const char *make_folder(const char *name, mode_t mode) {
    const char *path = folder_path(&folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static const char *make_file(const char *name, mode_t mode) {
    const char *path = folder_path(&folder, name);
    file_put(path, "x", 1);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static void taken(const char *path) {
    assert_ok(&ctx.pub, nas_ownership_check(&ctx.pub, path, NAS_OWNERSHIP_FOUND, NULL));
    assert_ok(&ctx.pub, nas_ownership_check(&ctx.pub, path, NAS_OWNERSHIP_NAMED, NULL));
}

static void refused(const char *path, enum nas_ownership ownership, const char *why) {
    assert_failed(&ctx.pub, nas_ownership_check(&ctx.pub, path, ownership, NULL), MN_IO, path, why);
}

/* Found: refused; named: taken, and the owner told. */
static void strange(const char *path, const char *why) {
    struct nas_other_owner other;
    refused(path, NAS_OWNERSHIP_FOUND, why);
    assert_ok(&ctx.pub, nas_ownership_check(&ctx.pub, path, NAS_OWNERSHIP_NAMED, &other));
    assert_true(other.there);
    assert_int_equal(other.user, STRANGER);
}

static void what_is_the_callers_or_roots_is_taken(void **state) {
    struct nas_other_owner other;
    make_folder("a", 0755);
    taken(make_file("a/x.so", 0644));
    taken(folder_path(&folder, "a"));
    taken("/");
    taken("/usr");
    assert_ok(&ctx.pub, nas_ownership_check(&ctx.pub, folder_path(&folder, "a/x.so"),
                                            NAS_OWNERSHIP_NAMED, &other));
    assert_false(other.there);
}

static void what_anyone_may_write_is_refused(void **state) {
    make_folder("open", 0757);
    make_folder("sticky", 01777);
    make_file("x.so", 0646);
    for (enum nas_ownership ownership = NAS_OWNERSHIP_FOUND; ownership <= NAS_OWNERSHIP_NAMED;
         ownership++) {
        refused(folder_path(&folder, "open"), ownership, "anyone may write in this folder");
        refused(folder_path(&folder, "sticky"), ownership, "anyone may write in this folder");
        refused(folder_path(&folder, "x.so"), ownership, "anyone may write this file");
    }
}

static void a_folder_above_that_anyone_may_write_is_named(void **state) {
    char why[PATH_MAX + 64];
    make_folder("open", 0777);
    make_folder("open/a", 0755);
    make_folder("open/a/b", 0755);
    make_file("open/a/b/x.so", 0644);
    snprintf(why, sizeof why, "anyone may write in %s, a folder above it",
             folder_path(&folder, "open"));
    for (enum nas_ownership ownership = NAS_OWNERSHIP_FOUND; ownership <= NAS_OWNERSHIP_NAMED;
         ownership++) {
        refused(folder_path(&folder, "open/a"), ownership, why);
        refused(folder_path(&folder, "open/a/b/x.so"), ownership, why);
    }
    assert_int_equal(chmod(folder_path(&folder, "open"), 01777), 0); /* as /tmp is */
    taken(folder_path(&folder, "open/a/b/x.so"));
    taken(folder_path(&folder, "open/a"));
}

static void links_are_followed_one_by_one(void **state) {
    make_folder("open", 0777);
    make_folder("mine", 0755);
    make_file("mine/x.so", 0644);
    make_file("open/y.so", 0644);
    assert_int_equal(symlink("../mine/x.so", folder_path(&folder, "open/via.so")), 0);
    assert_int_equal(symlink("open/via.so", folder_path(&folder, "first.so")), 0);
    assert_int_equal(symlink("open/../mine", folder_path(&folder, "around")), 0);
    assert_int_equal(symlink(folder_path(&folder, "mine"), folder_path(&folder, "straight")), 0);
    taken(folder_path(&folder, "straight/x.so"));
    taken(folder_path(&folder, "straight"));
    refused(folder_path(&folder, "first.so"), NAS_OWNERSHIP_NAMED, "anyone may write in ");
    refused(folder_path(&folder, "around/x.so"), NAS_OWNERSHIP_NAMED, "anyone may write in ");
    assert_int_equal(symlink("loop.so", folder_path(&folder, "loop.so")), 0);
    refused(folder_path(&folder, "loop.so"), NAS_OWNERSHIP_NAMED, "symbolic links");
}

static void a_link_to_nothing_is_called_broken(void **state) {
    assert_int_equal(symlink("/nowhere/mine.so", folder_path(&folder, "mine.so")), 0);
    refused(folder_path(&folder, "mine.so"), NAS_OWNERSHIP_FOUND,
            "a broken link: it points to /nowhere/mine.so, which is not there");
    refused(folder_path(&folder, "none.so"), NAS_OWNERSHIP_FOUND, ": No such file or directory");
    refused(folder_path(&folder, "none/x.so"), NAS_OWNERSHIP_FOUND, ": No such file or directory");
    make_file("file", 0644);
    refused(folder_path(&folder, "file/x.so"), NAS_OWNERSHIP_FOUND, ": Not a directory");
}

static void what_belongs_to_another_user_is_refused_or_told(void **state) {
    if (geteuid() != 0) {
        skip(); /* a file cannot be given away */
    }
    const char *theirs = make_folder("theirs", 0755), *file = make_file("theirs/x.so", 0644);
    assert_int_equal(chown(file, STRANGER, 0), 0);
    strange(file, "it belongs to user 65533, neither to root nor to you");
    assert_int_equal(chown(file, 0, 0), 0);
    taken(file);
    assert_int_equal(chown(theirs, STRANGER, 0), 0);
    strange(theirs, "it belongs to user 65533, neither to root nor to you");
    assert_int_equal(chown(theirs, 0, 0), 0);

    /* in a sticky folder others could have put the first folder of the path */
    const char *sticky = make_folder("sticky", 01777);
    make_folder("sticky/theirs", 0755);
    make_file("sticky/theirs/x.so", 0644);
    assert_int_equal(chown(folder_path(&folder, "sticky/theirs"), STRANGER, 0), 0);
    strange(folder_path(&folder, "sticky/theirs/x.so"), "what leads to it belongs to user 65533");
    assert_int_equal(chmod(sticky, 0755), 0);
    taken(folder_path(&folder, "sticky/theirs/x.so"));
}

static void a_group_of_others_may_not_write_what_is_found(void **state) {
    if (geteuid() != 0) {
        skip();
    }
    const char *file = make_file("x.so", 0664), *place = make_folder("a", 0775);
    taken(file); /* the caller's own group */
    taken(place);
    assert_int_equal(chown(file, 0, STRANGER), 0);
    assert_int_equal(chown(place, 0, STRANGER), 0);
    refused(file, NAS_OWNERSHIP_FOUND, "its group 65533, which is not yours, may write it");
    refused(place, NAS_OWNERSHIP_FOUND, "its group 65533, which is not yours, may write it");
    assert_ok(&ctx.pub, nas_ownership_check(&ctx.pub, file, NAS_OWNERSHIP_NAMED, NULL));
}

static void what_is_opened_is_what_was_checked(void **state) {
    struct stat named, opened;
    int fd = -1;
    make_file("x.so", 0644);
    assert_int_equal(symlink("x.so", folder_path(&folder, "link.so")), 0);
    assert_int_equal(stat(folder_path(&folder, "x.so"), &named), 0);
    assert_ok(&ctx.pub, nas_ownership_open(&ctx.pub, folder_path(&folder, "link.so"),
                                           NAS_OWNERSHIP_FOUND, &fd, NULL));
    assert_int_equal(fstat(fd, &opened), 0);
    assert_int_equal(opened.st_ino, named.st_ino);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_the_callers_or_roots_is_taken),
        TEST(what_anyone_may_write_is_refused),
        TEST(a_folder_above_that_anyone_may_write_is_named),
        TEST(links_are_followed_one_by_one),
        TEST(a_link_to_nothing_is_called_broken),
        TEST(what_belongs_to_another_user_is_refused_or_told),
        TEST(a_group_of_others_may_not_write_what_is_found),
        TEST(what_is_opened_is_what_was_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
