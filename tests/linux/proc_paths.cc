// Ways to name a file below /proc: relative, by directory descriptor, ".." and links, and each
// call that takes a path; numbers of no process here do not exist.
#include <sys/stat.h>
#include <sys/vfs.h>

#include "harness.h"

static bool ok(int r) { return r >= 0; }

int main() {
  below_init([] {
    in_child("chdir /proc/1", [] {
      SHOW(chdir("/proc/1"));
      char cwd[100] = {};
      say("getcwd %s", getcwd(cwd, sizeof cwd));
      say("stat %s", stat_field("stat", 1).c_str());
      say("../2/stat %s", stat_field("../2/stat", 1).c_str());
      say("../self/stat %s", stat_field("../self/stat", 1).c_str());
      say("task/1/stat %s", stat_field("task/1/stat", 1).c_str());
      SHOW(chdir(".."));
      say("getcwd %s", getcwd(cwd, sizeof cwd));
      say("1/stat %s", stat_field("1/stat", 1).c_str());
      say("self/stat %s", stat_field("self/stat", 1).c_str());
      SHOW(chdir("self"));
      say("getcwd %s", getcwd(cwd, sizeof cwd));
      say("stat %s", stat_field("stat", 1).c_str());
      SHOW(chdir("/proc/2/task/2"));
      say("getcwd %s", getcwd(cwd, sizeof cwd));
      say("stat %s", stat_field("stat", 1).c_str());
      in_child("child", [] { say("stat %s", stat_field("stat", 1).c_str()); });
      char link[100] = {};
      SHOW(readlink("/proc/self/cwd", link, sizeof link - 1));
      say("%s", link);
      SHOW(chdir("/proc/9999"));
    });
    int proc = MUST(open("/proc", O_RDONLY | O_DIRECTORY));
    int one = MUST(openat(proc, "1", O_RDONLY | O_DIRECTORY));
    int path_only = MUST(openat(proc, "2", O_PATH));
    SHOW(ok(openat(one, "stat", O_RDONLY)));
    SHOW(ok(openat(path_only, "status", O_RDONLY)));
    SHOW(openat(proc, "9999", O_RDONLY));
    SHOW(openat(proc, "9999/stat", O_RDONLY));
    SHOW(ok(openat(one, "../2/stat", O_RDONLY)));
    SHOW(openat(one, "../9999/stat", O_RDONLY));
    SHOW(fchdir(one));
    say("stat %s", stat_field("stat", 1).c_str());
    SHOW(chdir("/"));
    say("proc/1/stat %s", stat_field("proc/1/stat", 1).c_str());
    say("//proc///1//stat %s", stat_field("//proc///1//stat", 1).c_str());
    say("/proc/./1/../2/stat %s", stat_field("/proc/./1/../2/stat", 1).c_str());
    say("/proc/01/stat %s", stat_field("/proc/01/stat", 1).c_str());
    say("/proc/1x/stat %s", stat_field("/proc/1x/stat", 1).c_str());
    say("/proc/0/stat %s", stat_field("/proc/0/stat", 1).c_str());
    say("/proc/4294967297/stat %s", stat_field("/proc/4294967297/stat", 1).c_str());
    say("root link /proc/1/root/proc/2/stat %s", stat_field("/proc/2/root/proc/2/stat", 1).c_str());

    struct stat st;
    struct statx sx;
    SHOW(stat("/proc/1", &st));
    say("directory %d", S_ISDIR(st.st_mode));
    SHOW(stat("/proc/9999", &st));
    SHOW(lstat("/proc/9999", &st));
    SHOW(stat("/proc/1/stat", &st));
    say("mode %o size %ld", st.st_mode, static_cast<long>(st.st_size));
    SHOW(fstatat(proc, "2", &st, 0));
    SHOW(fstatat(proc, "9999", &st, 0));
    SHOW(statx(AT_FDCWD, "/proc/1/status", 0, STATX_BASIC_STATS, &sx));
    SHOW(statx(proc, "9999", 0, STATX_BASIC_STATS, &sx));
    SHOW(statx(one, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx));
    SHOW(access("/proc/1", F_OK));
    SHOW(access("/proc/1/status", R_OK));
    SHOW(access("/proc/9999", F_OK));
    SHOW(faccessat(proc, "9999/stat", F_OK, 0));
    SHOW(raw(SYS_faccessat2, proc, arg("2/stat"), R_OK, 0));
    SHOW(raw(SYS_faccessat2, proc, arg("9999/stat"), R_OK, 0));
    struct statfs fs;
    SHOW(statfs("/proc/1", &fs));
    say("proc's magic %d", fs.f_type == 0x9fa0);
    SHOW(statfs("/proc/9999", &fs));
    char link[200] = {};
    SHOW(readlink("/proc/9999/exe", link, sizeof link));
    SHOW(readlink("/proc/self/exe", link, sizeof link - 1) > 0);
    say("exe %s", strrchr(link, '/'));
    SHOW(ok(open("/proc/self/exe", O_RDONLY)));
    SHOW(open("/proc/9999/status", O_RDONLY));
    SHOW(open("/proc/2/nonexistent", O_RDONLY));
    SHOW(open("/proc/2/status", O_WRONLY));
    SHOW(mkdir("/proc/5", 0700));
    SHOW(mkdir("/proc/9999", 0700));
    SHOW(unlink("/proc/9999"));
    SHOW(unlink("/proc/self"));
    SHOW(rename("/proc/9999", "/proc/1"));
    SHOW(chdir("/proc/2/fd"));
    SHOW(raw(SYS_open, arg("/proc/9999"), O_RDONLY, 0));
    struct {
      uint64_t flags, mode, resolve;
    } how = {O_RDONLY, 0, 0};
    SHOW(ok(static_cast<int>(raw(SYS_openat2, proc, arg("2/stat"), arg(&how), sizeof how))));
    SHOW(raw(SYS_openat2, proc, arg("9999/stat"), arg(&how), sizeof how));
  });
}
