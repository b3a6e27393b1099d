// The ptrace(2) requests that the tracer makes. A tracee can be killed in any stop: every request
// may fail with ESRCH, which is no error but news that its death is about to be reported.
#pragma once

#include <sys/ptrace.h>
#include <sys/types.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

#include "arch/x86_64/registers.h"

namespace warren::ptrace_call {

// glibc's ptrace() takes its request as an enum that lacks the newer ones.
inline long raw(int request, pid_t tid, void* address, void* data) {
  return ::ptrace(static_cast<__ptrace_request>(request), tid, address, data);
}

inline bool get_registers(pid_t tid, arch::Registers* registers) {
  return raw(PTRACE_GETREGS, tid, nullptr, &registers->raw()) == 0;
}
inline bool set_registers(pid_t tid, arch::Registers& registers) {
  return raw(PTRACE_SETREGS, tid, nullptr, &registers.raw()) == 0;
}
// Goes on; no stop at the end of the system call it may be in, unless another `request` says so.
inline void resume(pid_t tid, int signal = 0, int request = PTRACE_CONT) {
  raw(request, tid, nullptr, reinterpret_cast<void*>(static_cast<std::intptr_t>(signal)));
}
// Goes on, to stop when the system call it is in ends.
inline void resume_to_exit(pid_t tid) { raw(PTRACE_SYSCALL, tid, nullptr, nullptr); }
// Leaves it in its group-stop, from where SIGCONT wakes it.
inline void listen(pid_t tid) { raw(PTRACE_LISTEN, tid, nullptr, nullptr); }
inline bool get_siginfo(pid_t tid, siginfo_t* info) {
  return raw(PTRACE_GETSIGINFO, tid, nullptr, info) == 0;
}
inline bool set_siginfo(pid_t tid, siginfo_t* info) {
  return raw(PTRACE_SETSIGINFO, tid, nullptr, info) == 0;
}
inline bool set_options(pid_t tid, unsigned options) {
  return raw(PTRACE_SETOPTIONS, tid, nullptr,
             reinterpret_cast<void*>(static_cast<std::uintptr_t>(options))) == 0;
}
inline unsigned long event_message(pid_t tid) {
  unsigned long message = 0;
  raw(PTRACE_GETEVENTMSG, tid, nullptr, &message);
  return message;
}
inline bool get_signal_mask(pid_t tid, std::uint64_t* mask) {
  return raw(PTRACE_GETSIGMASK, tid, reinterpret_cast<void*>(sizeof *mask), mask) == 0;
}
inline bool set_signal_mask(pid_t tid, std::uint64_t* mask) {
  return raw(PTRACE_SETSIGMASK, tid, reinterpret_cast<void*>(sizeof *mask), mask) == 0;
}

}  // namespace warren::ptrace_call
