// The general registers of a stopped task, named by what the system-call ABI uses them for.
#pragma once

#include <sys/user.h>

#include <array>
#include <cstdint>

namespace warren::arch {

// Length of the `syscall` instruction: stepping back by it makes the task call again.
inline constexpr std::uint64_t kSyscallInstructionLength = 2;
// The ABI keeps this many bytes below the stack pointer for the function's own use; memory below
// them may be overwritten by a signal handler at any time, so nobody keeps anything there.
inline constexpr std::uint64_t kRedZone = 128;

class Registers {
 public:
  user_regs_struct& raw() { return regs_; }
  const user_regs_struct& raw() const { return regs_; }

  // Number of the system call that the task is in; -1 makes the kernel skip it.
  long syscall() const { return static_cast<long>(regs_.orig_rax); }
  void set_syscall(long nr) { regs_.orig_rax = static_cast<unsigned long long>(nr); }

  long result() const { return static_cast<long>(regs_.rax); }
  void set_result(long value) { regs_.rax = static_cast<unsigned long long>(value); }

  std::uint64_t arg(int i) const {
    switch (i) {
      case 0:
        return regs_.rdi;
      case 1:
        return regs_.rsi;
      case 2:
        return regs_.rdx;
      case 3:
        return regs_.r10;
      case 4:
        return regs_.r8;
      default:
        return regs_.r9;
    }
  }
  void set_arg(int i, std::uint64_t value) {
    switch (i) {
      case 0:
        regs_.rdi = value;
        break;
      case 1:
        regs_.rsi = value;
        break;
      case 2:
        regs_.rdx = value;
        break;
      case 3:
        regs_.r10 = value;
        break;
      case 4:
        regs_.r8 = value;
        break;
      default:
        regs_.r9 = value;
        break;
    }
  }
  std::array<std::uint64_t, 6> args() const {
    return {regs_.rdi, regs_.rsi, regs_.rdx, regs_.r10, regs_.r8, regs_.r9};
  }
  // Puts another register set's arguments and call number in place, and nothing else.
  void restore_call(const Registers& from) {
    regs_.rdi = from.regs_.rdi;
    regs_.rsi = from.regs_.rsi;
    regs_.rdx = from.regs_.rdx;
    regs_.r10 = from.regs_.r10;
    regs_.r8 = from.regs_.r8;
    regs_.r9 = from.regs_.r9;
    regs_.orig_rax = from.regs_.orig_rax;
  }

  std::uint64_t ip() const { return regs_.rip; }
  void set_ip(std::uint64_t ip) { regs_.rip = ip; }
  std::uint64_t sp() const { return regs_.rsp; }
  void set_sp(std::uint64_t sp) { regs_.rsp = sp; }
  // Where the thread's own block of its libc begins (thread_block.h).
  std::uint64_t thread_pointer() const { return regs_.fs_base; }
  // Makes the task execute its last system call again, with the given number.
  void rewind(long nr) {
    regs_.rip -= kSyscallInstructionLength;
    regs_.rax = static_cast<unsigned long long>(nr);
    regs_.orig_rax = static_cast<unsigned long long>(-1);
  }

 private:
  user_regs_struct regs_{};
};

}  // namespace warren::arch
