#include "cli/signal_relay.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace warren::cli {
namespace {

void nothing(int) {}

bool may_relay(int signal) {
  switch (signal) {
    case SIGKILL:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGSEGV:  // faults are this process's own
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
      return false;
    default:
      return signal < 32 || signal >= SIGRTMIN;  // the C library keeps the first real-time ones
  }
}

}  // namespace

int exit_status_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

SignalRelay::SignalRelay() {
  sigemptyset(&relayed_);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    if (may_relay(signal)) sigaddset(&relayed_, signal);
  }
  sigprocmask(SIG_BLOCK, &relayed_, &old_mask_);
  // A parent that ignores SIGCHLD would lose the child's exit status (wait(2), NOTES).
  struct sigaction action {};
  action.sa_handler = nothing;
  sigaction(SIGCHLD, &action, &old_child_);
}

void SignalRelay::restore() const {
  if (old_child_.sa_handler == SIG_IGN) signal(SIGCHLD, SIG_IGN);
  sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
}

int SignalRelay::watch(pid_t child) const {
  // An init gets only signals that it handles (pid_namespaces(7)); those that the caller had
  // ignored stay so for the child and for this process.
  struct sigaction action {};
  action.sa_handler = nothing;
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction old;
    if (sigismember(&relayed_, signal) != 1 || sigaction(signal, nullptr, &old) < 0) continue;
    if (old.sa_handler == SIG_DFL) sigaction(signal, &action, nullptr);
  }
  for (;;) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) != 0;) {
      if (pid == child) return exit_status_of(status);
      if (pid < 0 && errno != EINTR) break;
    }
    siginfo_t info;
    int signal = sigwaitinfo(&relayed_, &info);
    if (signal <= 0 || signal == SIGCHLD) continue;
    if (info.si_code == SI_KERNEL && getpgid(child) == getpgrp()) continue;
    kill(child, signal);
  }
}

}  // namespace warren::cli
