// Requests that read and write a tracee: words, registers, sets of registers, signals, masks; and
// what is refused.
#include <elf.h>
#include <stddef.h>

#include "ptrace.h"

static volatile long word = 0x1122334455667788;

int main() {
  below_init([] {
    pid_t child = spawn([] {
      block({SIGUSR1, SIGUSR2, SIGRTMIN});
      MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
      raise(SIGUSR1);
      sigqueue(getpid(), SIGRTMIN, sigval{.sival_int = 5});
      raise(SIGSTOP);
      say("word %#lx", word);
      sigset_t none;
      sigemptyset(&none);
      sigprocmask(SIG_SETMASK, &none, nullptr);
      _exit(1);
    });
    STOP(child);
    const long at = arg(&word);
    errno = 0;
    say("peek %#lx %s", trace(PTRACE_PEEKDATA, child, at), errno_name(errno));
    SHOW(trace(PTRACE_PEEKDATA, child, 8));
    SHOW(trace(PTRACE_POKEDATA, child, at, 0x1234));
    SHOW(trace(PTRACE_POKETEXT, child, 8, 1));
    long value = 0;
    SHOW(raw(SYS_ptrace, PTRACE_PEEKTEXT, child, at, arg(&value)));
    say("value %#lx", value);
    SHOW(raw(SYS_ptrace, PTRACE_PEEKTEXT, child, at, 8));
    user_regs_struct regs{};
    SHOW(trace(PTRACE_GETREGS, child, 0, arg(&regs)));
    errno = 0;
    say("rip %d %s",
        static_cast<unsigned long>(trace(PTRACE_PEEKUSER, child, offsetof(user, regs.rip))) ==
            regs.rip,
        errno_name(errno));
    SHOW(trace(PTRACE_PEEKUSER, child, 3));
    SHOW(trace(PTRACE_GETREGS, child, 0, 8));
    SHOW(trace(PTRACE_SETREGS, child, 0, arg(&regs)));
    user_fpregs_struct floats{};
    SHOW(trace(PTRACE_GETFPREGS, child, 0, arg(&floats)));
    SHOW(trace(PTRACE_SETFPREGS, child, 0, arg(&floats)));
    user_regs_struct set{};
    iovec vector{&set, sizeof set + 100};
    SHOW(trace(PTRACE_GETREGSET, child, NT_PRSTATUS, arg(&vector)));
    say("%zu %d", vector.iov_len, set.rip == regs.rip);
    vector.iov_len = 16;
    SHOW(trace(PTRACE_GETREGSET, child, NT_PRSTATUS, arg(&vector)));
    say("%zu", vector.iov_len);
    vector.iov_len = 15;
    SHOW(trace(PTRACE_GETREGSET, child, NT_PRSTATUS, arg(&vector)));
    vector.iov_len = sizeof set;
    SHOW(trace(PTRACE_SETREGSET, child, NT_PRSTATUS, arg(&vector)));
    SHOW(trace(PTRACE_GETREGSET, child, 0x7777, arg(&vector)));
    static char state[64 * 1024];
    vector = {state, sizeof state};
    SHOW(trace(PTRACE_GETREGSET, child, NT_X86_XSTATE, arg(&vector)));
    SHOW(trace(PTRACE_SETREGSET, child, NT_X86_XSTATE, arg(&vector)));
    unsigned long mask = 0;
    SHOW(trace(PTRACE_GETSIGMASK, child, sizeof mask, arg(&mask)));
    say("mask %#lx", mask & 0xffffffff);
    SHOW(trace(PTRACE_GETSIGMASK, child, 4, arg(&mask)));
    mask |= 1 << (SIGHUP - 1);
    SHOW(trace(PTRACE_SETSIGMASK, child, sizeof mask, arg(&mask)));
    struct {
      unsigned long offset;
      unsigned flags;
      int number;
    } peek{0, 0, 8};
    siginfo_t infos[8]{};
    SHOW(trace(PTRACE_PEEKSIGINFO, child, arg(&peek), arg(infos)));
    for (int i = 0; i < 2; i++)
      say("%s %s from %d", signal_name(infos[i].si_signo).c_str(), si_code_text(infos[i].si_code),
          infos[i].si_pid);
    peek.number = -1;
    SHOW(trace(PTRACE_PEEKSIGINFO, child, arg(&peek), arg(infos)));
    siginfo_t info{};
    SHOW(trace(PTRACE_GETSIGINFO, child, 0, arg(&info)));
    SHOW(trace(PTRACE_SETSIGINFO, child, 0, arg(&info)));
    SHOW(trace(PTRACE_SETOPTIONS, child, 0, 0x800000));
    SHOW(trace(PTRACE_LISTEN, child));
    SHOW(trace(PTRACE_INTERRUPT, child));
    SHOW(trace(0x7777, child));
    SHOW(trace(PTRACE_SINGLESTEP, child, 0, 65));
    SHOW(trace(PTRACE_DETACH, child, 0, 65));
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
    MUST(trace(PTRACE_CONT, child));
    STOP(child);
    SHOW(trace(PTRACE_GETREGS, child, 0, arg(&regs)));
  });
}
