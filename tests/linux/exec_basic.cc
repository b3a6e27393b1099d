// execve: the number stays, children stay, and each way to fail leaves the process as it was.
#include <sys/stat.h>

#include "harness.h"

extern char** environ;

int main(int argc, char** argv) {
  if (argc > 2 && strcmp(argv[1], "stage") == 0) {
    int stage = atoi(argv[2]);
    say("stage %d: pid %d ppid %d tid %ld", stage, getpid(), getppid(), raw(SYS_gettid));
    if (stage < 3) {
      std::string next = std::to_string(stage + 1);
      execl("/proc/self/exe", "exec_basic", "stage", next.c_str(), nullptr);
    }
    // The child that was made before the first exec is still a child.
    say("%s", reap(-1).c_str());
    return 5;
  }
  in_child("three execs", [] {
    pid_t child = spawn([] { _exit(8); });
    say("child %d", child);
    execl("/proc/self/exe", "exec_basic", "stage", "1", nullptr);
  });

  char* args[] = {const_cast<char*>("x"), nullptr};
  SHOW(execve("/nonexistent", args, environ));
  SHOW(execve("/etc", args, environ));
  SHOW(execve("/etc/passwd", args, environ));
  SHOW(execve("/etc/passwd/x", args, environ));
  SHOW(execve("", args, environ));
  SHOW(raw(SYS_execve, 16, arg(args), arg(environ)));
  SHOW(raw(SYS_execve, arg("/bin/true"), 16, 0));
  std::string long_name(5000, 'a');
  SHOW(execve(long_name.c_str(), args, environ));
  say("still pid %d", getpid());

  char path[] = "/tmp/warren-exec-XXXXXX";
  int fd = MUST(mkstemp(path));
  MUST(write(fd, "not a program\n", 14));
  MUST(fchmod(fd, 0755));
  close(fd);
  SHOW(execve(path, args, environ));
  fd = MUST(open(path, O_WRONLY | O_TRUNC));
  MUST(write(fd, "#!/nonexistent/interpreter\n", 27));
  SHOW(execve(path, args, environ));  // ETXTBSY while it is open for writing
  close(fd);
  SHOW(execve(path, args, environ));
  fd = MUST(open(path, O_WRONLY | O_TRUNC));
  MUST(write(fd, "#!/bin/sh\necho script: $$ $PPID $1\n", 35));
  close(fd);
  in_child("script", [&] { execl(path, path, "one", nullptr); });
  unlink(path);

  // Handlers are reset, ignored signals stay ignored, the mask and pending signals stay.
  in_child("signals", [] {
    on_signal(SIGUSR1, [](int) {});
    signal(SIGUSR2, SIG_IGN);
    block({SIGALRM});
    raise(SIGALRM);
    execl("/bin/sh", "sh", "-c",
          "grep -E '^(SigBlk|SigIgn|SigCgt|ShdPnd|SigPnd):' /proc/self/status | tr '\\t' ' '; "
          "kill -USR2 $$; echo alive",
          nullptr);
  });
  in_child("USR1 is default again", [] {
    on_signal(SIGUSR1, [](int) {});
    execl("/bin/sh", "sh", "-c", "kill -USR1 $$; echo not reached", nullptr);
  });
}
