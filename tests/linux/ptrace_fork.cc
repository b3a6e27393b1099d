// Children that are traced from their birth: fork, vfork, clone; events and their messages, orders
// of waits, children of children, and children that are not followed.
#include <sched.h>

#include <map>

#include "ptrace.h"

// Every task of the tree until none is left; what one does stands together, in the order of
// numbers.
static void follow(pid_t first, int options) {
  std::map<pid_t, std::string> lines;
  MUST(trace(PTRACE_SETOPTIONS, first, 0, options));
  MUST(trace(PTRACE_CONT, first));
  int status = 0;
  pid_t pid;
  while ((pid = waitpid(-1, &status, __WALL)) > 0) {
    std::string& line = lines[pid];
    line += " | " + stop_text(status);
    if (!WIFSTOPPED(status)) continue;
    const int event = status >> 16;
    if (event != 0 && event != PTRACE_EVENT_EXIT)
      line += " child " + std::to_string(event_message(pid));
    const bool quiet = event != 0 || WSTOPSIG(status) == SIGSTOP || WSTOPSIG(status) == SIGTRAP;
    MUST(trace(PTRACE_CONT, pid, 0, quiet ? 0 : WSTOPSIG(status)));
  }
  for (const auto& [pid, line] : lines) say("%d%s", pid, line.c_str());
}

static pid_t traced(int (*program)()) {
  return spawn([program] {
    MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
    raise(SIGSTOP);
    _exit(program());
  });
}

static int forks() {
  pid_t child = spawn([] {
    pid_t grandchild = spawn([] { _exit(2); });
    say("grandchild %d: %s", grandchild, reap(grandchild).c_str());
    _exit(1);
  });
  say("child %d: %s", child, reap(child).c_str());
  return 0;
}

static int vforks() {
  pid_t child = vfork();
  if (child == 0) _exit(4);
  int status = 0;
  MUST(waitpid(child, &status, 0));
  say("child %d %s", child, status_text(status).c_str());
  return 0;
}

static int clones() {
  pid_t child = static_cast<pid_t>(raw(SYS_clone, SIGUSR1, 0));
  if (child == 0) _exit(4);
  int status = 0;
  MUST(waitpid(child, &status, __WALL));
  say("child %d %s", child, status_text(status).c_str());
  return 0;
}

int main() {
  constexpr int kAll = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
  for (int options : {0, kAll, kAll | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT}) {
    for (auto program : {forks, vforks, clones}) {
      below_init([&] {
        pid_t child = traced(program);
        STOP(child);
        follow(child, options);
      });
    }
  }
  below_init([&] {
    // Seized: children begin with an event stop.
    Gate go;
    pid_t child = spawn([&] {
      go.pass();
      pid_t grandchild = spawn([] { _exit(2); });
      say("%s", reap(grandchild).c_str());
    });
    MUST(trace(PTRACE_SEIZE, child, 0, kAll));
    go.open();
    STOP(child);
    const auto grandchild = static_cast<pid_t>(event_message(child));
    say("grandchild %d", grandchild);
    STOP(grandchild);
    STOP(grandchild, WNOHANG | __WALL);
    SHOW(trace(PTRACE_CONT, child));
    SHOW(trace(PTRACE_CONT, grandchild));
    STOP(grandchild);
    STOP(child);
    say("%s", siginfo_text(child).c_str());
    MUST(trace(PTRACE_CONT, child, 0, SIGCHLD));
    STOP(child);
  });
}
