// Programs that allow themselves little by a seccomp filter of their own go on as ever: nothing
// that is done in their name passes that filter.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <initializer_list>
#include <vector>

#include "harness.h"

// Installs a filter that lets only these calls through.
static void allow(std::initializer_list<int> calls, unsigned other) {
  std::vector<sock_filter> code = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
  for (int nr : calls) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(nr), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, other));
  const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

int main() {
  pid_t child = spawn([] {
    allow({SYS_getpid, SYS_exit_group}, SECCOMP_RET_KILL_PROCESS);
    const long own = syscall(SYS_getpid);
    bool same = true;
    for (int i = 0; i < 300; ++i) same = same && syscall(SYS_getpid) == own && getpid() == own;
    _exit(same ? 5 : 6);
  });
  say("getpid alone: %s", reap(child).c_str());

  child = spawn([] {
    allow({SYS_getpid, SYS_open, SYS_openat, SYS_close, SYS_exit_group}, SECCOMP_RET_ERRNO | EPERM);
    const int first = open("/etc/passwd", O_RDONLY);
    close(first);
    bool same = first >= 0;
    for (int i = 0; i < 300; ++i) {
      const int fd = open("/etc/passwd", O_RDONLY);
      same = same && fd == first;
      close(fd);
    }
    _exit(same ? 5 : 6);
  });
  say("open and close: %s", reap(child).c_str());

  child = spawn([] {
    allow({SYS_exit_group}, SECCOMP_RET_KILL_PROCESS);
    fork();
    _exit(7);
  });
  say("no fork: %s", reap(child).c_str());

  child = spawn([] {
    allow({SYS_getpid, SYS_kill, SYS_exit_group}, SECCOMP_RET_KILL_PROCESS);
    kill(getpid(), SIGTERM);
    _exit(8);
  });
  say("kill of itself: %s", reap(child).c_str());
}
