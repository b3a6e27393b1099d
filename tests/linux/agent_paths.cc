// timeout: 60
// Ordinary paths and those that lead into /proc, asked for again and again by the same
// instructions, while what a path means changes: by chdir, by descriptors, by links; and paths that
// are no paths: bad addresses, no end, too long.
#include <setjmp.h>
#include <sys/vfs.h>

#include "harness.h"
#include "sites.h"

// The same call many times: the answer must stay the same once the supervisor is no longer asked.
static long access_of(const char* path) {
  const long first = site<0, SYS_access>(arg(path), F_OK);
  for (int i = 0; i < 4; i++) {
    if (site<0, SYS_access>(arg(path), F_OK) != first) return 1000;
    if (raw(SYS_access, arg(path), F_OK) != (first ? -1 : 0)) return 1001;
  }
  return first;
}

static std::string first_field(int directory, const char* path) {
  std::string text;
  for (int i = 0; i < 4; i++) {
    const long fd = site<0, SYS_openat>(directory, arg(path), O_RDONLY);
    if (fd < 0) return errno_name(static_cast<int>(-fd));
    char buffer[64] = {};
    MUST(read(static_cast<int>(fd), buffer, sizeof buffer - 1));
    close(static_cast<int>(fd));
    buffer[strcspn(buffer, " :")] = 0;
    if (i > 0 && text != buffer) return text + " and then " + buffer;
    text = buffer;
  }
  return text;
}

static void relative() {
  say("ordinary %ld", access_of("/etc/passwd"));
  say("stat from / %s", first_field(AT_FDCWD, "stat").c_str());
  MUST(chdir("/etc"));
  say("passwd from /etc %s", first_field(AT_FDCWD, "passwd").c_str());
  say("access passwd %ld", access_of("passwd"));
  MUST(chdir("/proc/self"));
  say("stat from /proc/self %s", first_field(AT_FDCWD, "stat").c_str());
  in_child("child", [] {
    say("stat is the parent's %s", first_field(AT_FDCWD, "stat").c_str());
    say("../self/stat %s", first_field(AT_FDCWD, "../self/stat").c_str());
  });
  MUST(chdir("/etc"));
  say("stat from /etc %s", first_field(AT_FDCWD, "stat").c_str());
  in_child("in /proc", [] {
    MUST(chdir("/proc"));
    say("self/stat %s", first_field(AT_FDCWD, "self/stat").c_str());
    say("%d/stat %s", getpid(),
        first_field(AT_FDCWD, std::to_string(getpid()).append("/stat").c_str()).c_str());
    say("9999 %ld", access_of("9999"));
  });
  in_child("by fchdir", [] {
    say("ordinary %ld", access_of("/etc/passwd"));
    int self = MUST(open("/proc/self", O_RDONLY | O_DIRECTORY));
    say("ordinary %ld", access_of("stat"));
    MUST(fchdir(self));
    say("stat %s", first_field(AT_FDCWD, "stat").c_str());
    in_child("child", [] { say("stat %s", first_field(AT_FDCWD, "stat").c_str()); });
  });
}

// A child of vfork has its parent's memory, and in it what the parent's agent knows of paths.
static void vforked() {
  for (int i = 0; i < 3; i++) {
    say("ordinary %ld", access_of("/etc/passwd"));
    static volatile long in_etc, in_proc;
    static char stat[16];
    const pid_t child = vfork();
    if (child == 0) {
      in_etc = site<0, SYS_access>(arg("/etc/passwd"), F_OK);
      chdir("/proc/self");
      const long fd = site<0, SYS_openat>(AT_FDCWD, arg("stat"), O_RDONLY);
      in_proc = read(static_cast<int>(fd), stat, sizeof stat - 1);
      _exit(0);
    }
    say("%s", reap(child).c_str());
    stat[strcspn(stat, " ")] = 0;
    say("vforked %ld, read %ld, its own %d", in_etc, in_proc, atoi(stat) == child);
    say("relative %ld, ordinary %ld", access_of("self/stat"), access_of("/etc/passwd"));
  }
}

static void descriptors() {
  in_child("a directory of /proc", [] {
    int etc = MUST(open("/etc", O_RDONLY | O_DIRECTORY));
    say("etc %s", first_field(etc, "passwd").c_str());
    int proc = MUST(open("/proc", O_RDONLY | O_DIRECTORY));
    int self = MUST(openat(proc, "self", O_RDONLY | O_DIRECTORY));
    say("stat %s", first_field(self, "stat").c_str());
    say("task %s",
        first_field(self, ("task/" + std::to_string(getpid()) + "/stat").c_str()).c_str());
    say("9999/stat %s", first_field(proc, "9999/stat").c_str());
    say("etc %s", first_field(etc, "passwd").c_str());
    in_child("inherited", [=] {
      say("stat is the parent's %s", first_field(self, "stat").c_str());
      say("self/stat %s", first_field(proc, "self/stat").c_str());
    });
    say("listing %s",
        [] {
          // Numbers that the host alone has are in no listing.
          int count = 0;
          for (int i = 0; i < 3; i++) {
            int fd = MUST(open("/proc", O_RDONLY | O_DIRECTORY));
            alignas(8) char buffer[1 << 15];
            long n;
            while ((n = site<0, SYS_getdents64>(fd, arg(buffer), sizeof buffer)) > 0) {
              for (long at = 0; at < n;) {
                unsigned short length;
                memcpy(&length, buffer + at + 16, sizeof length);
                if (buffer[at + 19] >= '1' && buffer[at + 19] <= '9') count++;
                at += length;
              }
            }
            close(fd);
          }
          return count;
        }() == 9
            ? "3 processes"
            : "wrong");
  });
  in_child("many listings of an ordinary directory", [] {
    long bytes = -1;
    for (int i = 0; i < 5; i++) {
      int fd = MUST(open("/usr", O_RDONLY | O_DIRECTORY));
      alignas(8) char buffer[1 << 15];
      const long n = site<0, SYS_getdents64>(fd, arg(buffer), sizeof buffer);
      if (bytes >= 0 && n != bytes) say("wrong %ld %ld", bytes, n);
      bytes = n;
      close(fd);
    }
    say("bytes %d", bytes > 0);
  });
  in_child("getcwd", [] {
    char where[100];
    for (const char* path : {"/etc", "/proc", "/usr", "/proc/self/fd", "/"}) {
      MUST(chdir(path));
      for (int i = 0; i < 3; i++) {
        const long n = site<0, SYS_getcwd>(arg(where), sizeof where);
        if (i == 2) say("%s %ld", where, n);
      }
    }
  });
}

static void links() {
  in_child("links", [] {
    const char* tmp = getenv("TMPDIR");
    std::string name = std::string(tmp ? tmp : "/tmp") + "/agent_paths_link";
    unlink(name.c_str());
    say("before %s", errno_name(static_cast<int>(-access_of(name.c_str()))));
    MUST(symlink("/proc/self/stat", name.c_str()));
    say("after %ld, is mine %d", access_of(name.c_str()),
        first_field(AT_FDCWD, name.c_str()) == std::to_string(getpid()));
    in_child("child", [&] {
      say("is mine %d", first_field(AT_FDCWD, name.c_str()) == std::to_string(getpid()));
    });
    MUST(unlink(name.c_str()));
    MUST(symlink("/etc/passwd", name.c_str()));
    say("an ordinary one %s", first_field(AT_FDCWD, name.c_str()).c_str());
    char text[100] = {};
    for (int i = 0; i < 4; i++) {
      const long n = site<0, SYS_readlink>(arg(name.c_str()), arg(text), sizeof text);
      if (n != 11 || strcmp(text, "/etc/passwd") != 0) say("wrong %ld %s", n, text);
    }
    MUST(unlink(name.c_str()));
    for (int i = 0; i < 4; i++) {
      memset(text, 0, sizeof text);
      const long n = site<0, SYS_readlink>(arg("/proc/self"), arg(text), sizeof text);
      if (n <= 0 || atoi(text) != getpid()) say("wrong %ld %s", n, text);
    }
  });
}

static void standard_files() {
  in_child("/dev/fd and its kin", [] {
    int fds[2];
    MUST(pipe(fds));
    MUST(dup2(fds[0], 0));
    for (const char* name : {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "/dev/fd/../fd/0"}) {
      MUST(write(fds[1], "abc", 3));
      char buffer[8] = {};
      const long fd = site<1, SYS_openat>(AT_FDCWD, arg(name), O_RDONLY);
      say("%s: %d, then %ld %s", name, fd >= 0,
          static_cast<long>(read(static_cast<int>(fd), buffer, 8)), buffer);
      say("access %ld", access_of(name));
      close(static_cast<int>(fd));
    }
    MUST(chdir("/dev"));
    say("from /dev: fd/0 %ld stdin %ld fd/77 %ld", access_of("fd/0"), access_of("stdin"),
        access_of("fd/77"));
  });
}

static int handled;
static void* fault_address;
static sigjmp_buf after_fault;

static void bad_paths() {
  const long page = 4096;
  char* pages = static_cast<char*>(
      mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  char* end = pages + 3 * page;
  MUST(munmap(end, page));
  const auto every_call = [&](const char* what, const char* path) {
    long wrong = 0;
    std::string results;
    for (int i = 0; i < 4; i++) {
      struct stat st;
      struct statfs fs;
      char buffer[16];
      const long got[] = {
          site<2, SYS_open>(arg(path), O_RDONLY),
          site<2, SYS_openat>(AT_FDCWD, arg(path), O_RDONLY),
          site<2, SYS_stat>(arg(path), arg(&st)),
          site<2, SYS_lstat>(arg(path), arg(&st)),
          site<2, SYS_newfstatat>(AT_FDCWD, arg(path), arg(&st), 0),
          site<2, SYS_access>(arg(path), F_OK),
          site<2, SYS_faccessat>(AT_FDCWD, arg(path), F_OK),
          site<2, SYS_readlink>(arg(path), arg(buffer), sizeof buffer),
          site<2, SYS_statfs>(arg(path), arg(&fs)),
          site<2, SYS_mkdir>(arg(path), 0700),
          site<2, SYS_unlink>(arg(path)),
          site<2, SYS_rename>(arg(path), arg("/nonexistent/x")),
          site<2, SYS_execve>(arg(path), 0, 0),
      };
      std::string now;
      for (long result : got)
        now += std::string(" ") + (result < 0 ? errno_name(static_cast<int>(-result)) : "ok");
      if (i > 0 && now != results) wrong++;
      results = now;
    }
    say("%s:%s, wrong %ld", what, results.c_str(), wrong);
  };
  every_call("null", nullptr);
  every_call("one", reinterpret_cast<const char*>(1));
  every_call("unmapped", end);
  every_call("beyond", reinterpret_cast<const char*>(1L << 62));
  every_call("the kernel's", reinterpret_cast<const char*>(-4096L));
  for (const std::string text :
       {"/etc/passwd", "/nonexistent/x", "/proc", "/pro", "/p", "/dev/f", "f", "x/fd"}) {
    memcpy(end - text.size(), text.data(), text.size());
    every_call(("off the end " + text).c_str(), end - text.size());
  }
  memcpy(end - 15, "/nonexistent/p", 15);
  every_call("up to the end", end - 15);
  for (const size_t length : {4094u, 4095u, 4096u, 8000u}) {
    std::string name;
    while (name.size() < length) name += "/nonexistent";
    name.resize(length);
    every_call(("of length " + std::to_string(length)).c_str(), name.c_str());
    name.replace(0, 6, "/proc/");
    every_call(("in /proc of length " + std::to_string(length)).c_str(), name.c_str());
  }
  every_call("a long name", ("/" + std::string(256, 'n')).c_str());
  every_call("empty", "");
  MUST(mprotect(pages, page, PROT_NONE));
  every_call("unreadable", pages + 10);
  // A file's page behind its end: SIGBUS for who reads it, EFAULT for the kernel.
  const int file = MUST(memfd_create("short", 0));
  char* behind = static_cast<char*>(mmap(nullptr, page, PROT_READ, MAP_SHARED, file, 0));
  every_call("behind a file's end", behind);
}

// What an exec says that finds no program, or none that may run; nothing else comes of it.
static void missing_programs() {
  char name[] = "x";
  char* argv[] = {name, nullptr};
  const auto execs = [&] {
    for (const char* path : {"/nonexistent", "nonexistent", "./nonexistent", "/etc/passwd",
                             "/etc/passwd/x", "/etc", "/", "/proc/none", "/proc/self/none",
                             "/proc/1/none", "/proc/self/fd/99", "/nonexistent/proc"}) {
      std::string results;
      for (int i = 0; i < 3; i++) {
        for (const long arguments : {arg(argv), 0L, 8L}) {
          const long result = site<2, SYS_execve>(arg(path), arguments, arguments);
          results += std::string(" ") + errno_name(static_cast<int>(-result));
        }
      }
      say("%s:%s", path, results.c_str());
    }
  };
  execs();
  in_child("a child", execs);
  const pid_t pid = vfork();
  if (pid == 0) {
    execs();
    execl("/bin/echo", "echo", "there", nullptr);
    _exit(127);
  }
  say("a child of vfork: %s", reap(pid).c_str());
}

static void fault_at_24() { asm volatile("movb $1, 24" ::: "memory"); }

static void say_signals() {
  sigset_t mask;
  struct sigaction action;
  MUST(sigprocmask(SIG_BLOCK, nullptr, &mask));
  MUST(sigaction(SIGSEGV, nullptr, &action));
  say("handled %d blocked %d handler %s", handled, sigismember(&mask, SIGSEGV),
      action.sa_handler == SIG_DFL   ? "default"
      : action.sa_handler == SIG_IGN ? "ignored"
                                     : "own");
}

// A bad path is an error of the call, and no signal's business: whatever SIGSEGV is set to, stays.
static void bad_paths_and_signals() {
  const auto bad = [] {
    long wrong = 0;
    for (int i = 0; i < 5; i++) {
      if (site<3, SYS_access>(8, F_OK) != -EFAULT) wrong++;
      if (site<3, SYS_openat>(AT_FDCWD, 8, O_RDONLY) != -EFAULT) wrong++;
    }
    say("wrong %ld", wrong);
  };
  in_child("SIGSEGV default", [&] {
    bad();
    say_signals();
  });
  in_child("SIGSEGV handled", [&] {
    on_signal(SIGSEGV, [](int, siginfo_t* info, void*) {
      handled++;
      fault_address = info->si_addr;
      siglongjmp(after_fault, 1);
    });
    bad();
    say_signals();
    // The program's own faults are its own.
    if (sigsetjmp(after_fault, 1) == 0) fault_at_24();
    say("own fault at %ld", arg(static_cast<char*>(fault_address)));
    bad();
    say_signals();
  });
  in_child("SIGSEGV blocked", [&] {
    on_signal(SIGSEGV, [](int) { handled++; });
    block({SIGSEGV});
    bad();
    say_signals();
    raise(SIGSEGV);
    bad();
    say_signals();
    sigset_t set = signal_set({SIGSEGV});
    MUST(sigprocmask(SIG_UNBLOCK, &set, nullptr));
    say_signals();
  });
  in_child("SIGSEGV ignored", [&] {
    on_signal(SIGSEGV, SIG_IGN);
    bad();
    say_signals();
    raise(SIGSEGV);
    bad();
    say_signals();
  });
  in_child("SIGSEGV for once", [&] {
    on_signal(
        SIGSEGV, [](int) { handled++; }, SA_RESETHAND);
    bad();
    say_signals();
    raise(SIGSEGV);
    say_signals();
  });
  in_child("a fault of its own still kills", [&] {
    bad();
    fault_at_24();
  });
}

// In this order: who was once in /proc asks for every path, and a link into it makes all ask.
int main() {
  below_init([] {
    in_child("bad paths", bad_paths);
    in_child("missing programs", missing_programs);
    bad_paths_and_signals();
    standard_files();
    in_child("relative", relative);
    in_child("vforked", vforked);
    descriptors();
    links();
  });
}
