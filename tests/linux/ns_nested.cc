// oracle: privileged
// Five namespaces, each in the last: every process has one number per level, as each level reports.
#include "harness.h"

constexpr int kDepth = 5;

// At level n, tells its numbers, goes one deeper, and says how that ended.
static void descend(int level) {
  in_child("ballast", [] {});  // so that numbers differ from level to level
  for (int i = 0; i < level; i++) spawn([] {});
  while (waitpid(-1, nullptr, 0) > 0) {
  }
  say("level %d: pid %d ppid %d", level, getpid(), getppid());
  if (level == kDepth) return;
  long child = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    descend(level + 1);
    _exit(level + 1);
  }
  say("level %d: %s", level, reap(static_cast<pid_t>(child)).c_str());
}

int main() { descend(0); }
