// What the tests of ptrace(2) share: names for stops, and requests.
#pragma once

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "harness.h"

inline std::string event_name(int event) {
  switch (event) {
    case 0:
      return "";
    case PTRACE_EVENT_FORK:
      return " FORK";
    case PTRACE_EVENT_VFORK:
      return " VFORK";
    case PTRACE_EVENT_CLONE:
      return " CLONE";
    case PTRACE_EVENT_EXEC:
      return " EXEC";
    case PTRACE_EVENT_VFORK_DONE:
      return " VFORK_DONE";
    case PTRACE_EVENT_EXIT:
      return " EXIT";
    case PTRACE_EVENT_SECCOMP:
      return " SECCOMP";
    case PTRACE_EVENT_STOP:
      return " STOP";
    default:
      return " EVENT?";
  }
}

inline std::string stop_text(int status) {
  if (!WIFSTOPPED(status)) return status_text(status);
  const int signal = (status >> 8) & 0xff;
  const std::string sysgood = signal & 0x80 ? "|0x80" : "";
  return "stop " + signal_name(signal & 0x7f) + sysgood + event_name(status >> 16);
}

// Waits for one task and says what it found.
inline std::string next_stop(pid_t pid, int options = __WALL, int* found = nullptr) {
  int status = 0;
  const pid_t got = waitpid(pid, &status, options);
  if (found != nullptr) *found = status;
  if (got < 0) return std::string("-1 ") + errno_name(errno);
  if (got == 0) return "0";
  return std::to_string(got) + " " + stop_text(status);
}

#define STOP(...) say("%s: %s", #__VA_ARGS__, next_stop(__VA_ARGS__).c_str())

// glibc's ptrace() takes its request as an enum that lacks some.
inline long trace(int request, pid_t pid, long address = 0, long data = 0) {
  return ptrace(static_cast<__ptrace_request>(request), pid, address, data);
}

inline long event_message(pid_t pid) {
  unsigned long message = 0;
  if (trace(PTRACE_GETEVENTMSG, pid, 0, arg(&message)) != 0) return -errno;
  return static_cast<long>(message);
}

inline user_regs_struct registers(pid_t pid) {
  user_regs_struct regs{};
  MUST(trace(PTRACE_GETREGS, pid, 0, arg(&regs)));
  return regs;
}

// Signal, code and sender of the signal that a tracee has stopped for.
inline std::string siginfo_text(pid_t pid) {
  siginfo_t info{};
  if (trace(PTRACE_GETSIGINFO, pid, 0, arg(&info)) != 0) return errno_name(errno);
  std::string text = signal_name(info.si_signo);
  if (info.si_code > 0x80) return text + " code " + std::to_string(info.si_code);
  text += std::string(" ") + si_code_text(info.si_code);
  if (info.si_code == SI_USER || info.si_code == SI_TKILL || info.si_code == SI_QUEUE)
    text += " from " + std::to_string(info.si_pid);
  return text;
}
