// execveat: by descriptor, relative to a directory, by memfd, and its errors.
#include "harness.h"

extern char** environ;

static void at(const char* what, int dirfd, const char* path, int flags) {
  in_child(what, [&] {
    char* args[] = {const_cast<char*>("sh"), const_cast<char*>("-c"),
                    const_cast<char*>("echo pid $$ ppid $PPID"), nullptr};
    raw(SYS_execveat, dirfd, arg(path), arg(args), arg(environ), flags);
    say("%s: %s", what, errno_name(errno));
  });
}

int main() {
  int shell = MUST(open("/bin/sh", O_PATH | O_CLOEXEC));
  int bin = MUST(open("/bin", O_PATH | O_CLOEXEC));
  at("empty path", shell, "", AT_EMPTY_PATH);
  at("empty path without the flag", shell, "", 0);
  at("relative", bin, "sh", 0);
  at("absolute", -1, "/bin/sh", 0);
  at("cwd", AT_FDCWD, "/bin/sh", 0);
  at("bad descriptor", 77, "sh", 0);
  at("not a directory", shell, "sh", 0);
  at("unknown flag", bin, "sh", 0x8000);
  at("no such file", bin, "nonexistent", 0);
  int memory = MUST(static_cast<int>(raw(SYS_memfd_create, arg("x"), MFD_CLOEXEC)));
  std::string program = slurp("/bin/true");
  MUST(write(memory, program.data(), program.size()));
  at("memfd", memory, "", AT_EMPTY_PATH);
}
