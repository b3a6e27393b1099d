// A guest that attacks through its own agent (inject/layout.h): it jumps to the agent's system-call
// instructions with calls of its choice, into the midst of its code, and tears and overwrites what
// is mapped there. Nothing that it does may reach anybody else.
//   agent_abuse attack OUTSIDER VICTIM   numbers of the host's; says what is wrong, and "attacked"
//   agent_abuse witness                  another guest, with a child (named "victim"), that works
//                                        until there is a file "stop"; says what is wrong, "fine"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "inject/layout.h"

using namespace warren::inject;

struct Request {
  uint64_t target;  // where to jump to
  long nr;
  long arguments[6];
};

// Jumps there with these registers, and a stack full of addresses to come back to.
extern "C" long jump_into(const Request* request);

asm(R"(
  .text
  .globl jump_into
  .type jump_into, @function
jump_into:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, jump_into_stack(%rip)
  mov %rdi, %r12
  sub $16384, %rsp
  mov %rsp, %rdi
  lea jump_into_return(%rip), %rax
  mov $1024, %ecx
  rep stosq
  mov (%r12), %r13
  mov 8(%r12), %rax
  mov 16(%r12), %rdi
  mov 24(%r12), %rsi
  mov 32(%r12), %rdx
  mov 40(%r12), %r10
  mov 48(%r12), %r8
  mov 56(%r12), %r9
  lea jump_into_return(%rip), %rcx
  jmp *%r13
jump_into_return:
  mov jump_into_stack(%rip), %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
  .size jump_into, . - jump_into
  .bss
  .balign 8
jump_into_stack:
  .zero 8
  .text
)");

static int outsider, victim;

static void wrong(const std::string& what) {
  printf("wrong: %s\n", what.c_str());
  fflush(stdout);
}

static long raw(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  const long result = syscall(nr, a, b, c, d, e, f);
  return result == -1 ? -errno : result;
}

static bool waits_for_ever = false;

// In a child, which may harm itself as it likes, but must come to an end.
static int in_child(const std::string& what, const std::function<void()>& f) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(waits_for_ever ? 1 : 5);
    f();
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) wrong("a wait for one's own child");
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM && !waits_for_ever)
    wrong("no end of " + what);
  return status;
}

// What any process may expect of its system.
static void check_own_life(const char* when) {
  const int mine = static_cast<int>(raw(SYS_getpid));
  struct stat st;
  char text[32] = "";
  const bool right = getpid() == mine && gettid() == raw(SYS_gettid) &&
                     getppid() == raw(SYS_getppid) && stat("/etc/passwd", &st) == 0 &&
                     access("/nonexistent", F_OK) == -1 &&
                     readlink("/proc/self", text, sizeof text - 1) > 0 && atoi(text) == mine;
  if (!right) wrong(std::string("life ") + when);
}

static bool mapped(uint64_t address) {
  unsigned char resident;
  return mincore(reinterpret_cast<void*>(address), kPage, &resident) == 0;
}

static void* at(uint64_t address) { return reinterpret_cast<void*>(address); }

// The agent's instructions that make calls, wherever its header says that one is.
static std::vector<uint64_t> places() {
  std::vector<uint64_t> found;
  for (size_t i = 0; i < sizeof(Header) / sizeof(uint64_t); ++i) {
    const uint64_t ip = static_cast<const uint64_t*>(at(kBase))[i];
    if (ip < kBase + sizeof(Header) || ip >= kShared) continue;
    const auto* const before = static_cast<const unsigned char*>(at(ip - 2));
    if (before[0] == 0x0f && before[1] == 0x05) found.push_back(ip - 2);
  }
  return found;
}

static long address_of(const void* pointer) { return reinterpret_cast<long>(pointer); }

// What comes back is the call's own result only at some places: from others the agent goes on.
static bool comes_back(uint64_t place) {
  const Request harmless = {place, SYS_close, {-1}};
  const int status = in_child("close", [&] { _exit(jump_into(&harmless) == -EBADF ? 0 : 1); });
  return status == 0;
}

static void attack_outsider_from(uint64_t place) {
  const bool told = comes_back(place);
  static char text[64];
  static siginfo_t info = {};
  info.si_code = SI_QUEUE;
  static iovec ours = {text, 8}, theirs = {at(0x400000), 8};
  const std::vector<Request> requests = {
      {place, SYS_kill, {outsider, SIGKILL}},
      {place, SYS_kill, {-outsider, SIGKILL}},
      {place, SYS_tkill, {outsider, SIGKILL}},
      {place, SYS_tgkill, {outsider, outsider, SIGKILL}},
      {place, SYS_rt_sigqueueinfo, {outsider, SIGKILL, address_of(&info)}},
      {place, SYS_rt_tgsigqueueinfo, {outsider, outsider, SIGKILL, address_of(&info)}},
      {place, SYS_pidfd_open, {outsider, 0}},
      {place, SYS_ptrace, {PTRACE_SEIZE, outsider, 0, 0}},
      {place, SYS_process_vm_readv, {outsider, address_of(&ours), 1, address_of(&theirs), 1, 0}},
      {place, SYS_setpgid, {outsider, 0}},
      {place, SYS_getsid, {outsider}},
      {place, SYS_sched_setscheduler, {outsider, 0, address_of(text)}},
      {place, SYS_prlimit64, {outsider, 7, 0, address_of(text)}},
      {place, SYS_wait4, {outsider, address_of(text), WNOHANG, 0}},
  };
  for (const Request& request : requests) {
    in_child("call " + std::to_string(request.nr), [&] {
      const long result = jump_into(&request);
      if (!told) return;
      const bool of_a_call = result < 0 && result >= -4095;
      // A wait is not made at every place, and one that is has no such child.
      if (!of_a_call && !(request.nr == SYS_wait4 && result == 0)) {
        wrong("call " + std::to_string(request.nr) + " gave " + std::to_string(result));
      }
    });
  }
}

// Children that the supervisor would not know of: they do nothing but stay.
static void make_children_from(uint64_t place) {
  const long flags[] = {SIGCHLD,
                        CLONE_UNTRACED | SIGCHLD,
                        CLONE_UNTRACED | CLONE_PTRACE | SIGCHLD,
                        CLONE_PTRACE | SIGCHLD,
                        CLONE_PTRACE | CLONE_CHILD_CLEARTID | SIGCHLD,
                        CLONE_PTRACE | CLONE_PARENT | SIGCHLD};
  for (const long flag : flags) {
    // Where a child was made, the agent may wait for it.
    waits_for_ever = true;
    in_child("clone " + std::to_string(flag), [&] {
      const pid_t attacker = getpid();
      const Request request = {place, SYS_clone, {flag, 0, 0, 0, 0, 12345}};
      jump_into(&request);
      if (raw(SYS_getpid) == attacker) return;
      alarm(0);
      setsid();
      for (;;) pause();
    });
  }
  in_child("fork", [&] {
    const pid_t attacker = getpid();
    const Request request = {place, SYS_fork, {}};
    jump_into(&request);
    if (raw(SYS_getpid) != attacker) {
      alarm(0);
      setsid();
      for (;;) pause();
    }
  });
  waits_for_ever = false;
}

static void exec_from(uint64_t place) {
  static const char* const arguments[] = {
      "sh", "-c", "readlink /proc/self >/dev/null; exit $(($$ % 100 + 100))", nullptr};
  const Request request = {
      place, SYS_execve, {address_of("/bin/sh"), address_of(arguments), address_of(environ)}};
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    jump_into(&request);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  // Where such a call can be made, what comes of it has the right number.
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != pid % 100 + 100) {
    wrong("after an exec: " + std::to_string(status));
  }
}

// Asks for others' children by wait, and for children by numbers that are not meant as flags. Two
// tasks that shared a stack would run anywhere, and fork there: what is made has memory of its own.
static void lie_from(uint64_t place) {
  const long numbers[] = {victim, outsider, getpid(), 1, 0, -1, 1L << 40};
  for (const long nr : {SYS_wait4, SYS_clone, SYS_fork}) {
    for (const long number : numbers) {
      for (const long key : {0L, 1L, 2L, -1L, 1L << 33}) {
        fflush(stdout);
        const pid_t pid = fork();
        if (pid == 0) {
          alarm(2);
          dup2(open("/dev/null", O_WRONLY), 1);
          const long first = nr == SYS_clone ? number & ~long{CLONE_VM} : number;
          const Request request = {place, nr, {first, key, WNOHANG, 0, 0, key}};
          jump_into(&request);
          _exit(0);
        }
        if (waitpid(pid, nullptr, 0) != pid) wrong("a wait for a liar");
      }
    }
  }
}

static void tear() {
  struct {
    uint64_t from, to;
  } const ranges[] = {{kBase, kBase + kPage}, {kBase, kShared}, {kShared, kState}, {kState, kSlots},
                      {kSlots, kEnd},         {kState, kEnd},   {kBase, kEnd}};
  for (const auto& range : ranges) {
    const size_t size = range.to - range.from;
    const std::vector<std::function<void()>> ways = {
        [&] { munmap(at(range.from), size); },
        [&] { mprotect(at(range.from), size, PROT_NONE); },
        [&] { mprotect(at(range.from), size, PROT_READ); },
        [&] {
          mmap(at(range.from), size, PROT_READ | PROT_WRITE | PROT_EXEC,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        },
        [&] { madvise(at(range.from), size, MADV_KEEPONFORK); },
        [&] { mremap(at(range.from), size, size, MREMAP_MAYMOVE | MREMAP_FIXED, 0x7000000000); },
    };
    for (const auto& way : ways) {
      // By instructions that are not patched, which go on to work.
      in_child("torn, its own calls", [&] {
        way();
        const pid_t mine = static_cast<pid_t>(raw(SYS_getpid));
        if (mine <= 1 || raw(SYS_getppid) <= 0) wrong("a number after tearing");
        if (raw(SYS_access, address_of("/etc/passwd"), F_OK) != 0) wrong("a path after tearing");
        const long child = raw(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0) _exit(raw(SYS_getppid) == mine ? 3 : 4);
        int status = 0;
        if (raw(SYS_wait4, child, address_of(&status), 0, 0) != child || WEXITSTATUS(status) != 3) {
          wrong("a child after tearing");
        }
        execl("/bin/sh", "sh", "-c", "test -e /etc/passwd && exit $(($$ % 100))", nullptr);
      });
      // By those that are.
      in_child("torn", [&] {
        way();
        for (int i = 0; i < 3; ++i) {
          getpid();
          access("/etc/passwd", F_OK);
        }
      });
    }
  }
}

static void overwrite() {
  std::mt19937 random(20250207);
  for (int i = 0; i < 60; ++i) {
    in_child("overwritten " + std::to_string(i), [&] {
      auto* const words = static_cast<uint32_t*>(at(kState));
      auto* const slots = static_cast<Slots*>(at(kSlots));
      const bool in_state = i % 2 == 0;
      if (in_state) {
        for (size_t k = 0; k < kPage / sizeof *words; ++k) words[k] = random();
      } else {
        const uint64_t used[] = {~uint64_t{0},     uint64_t{1} << 63, 126, 127, 128, 0,
                                 uint64_t{1} << 59};
        slots->used = used[i / 2 % 7];
        if (i % 3 == 0) memset(slots->slot, static_cast<int>(random()), sizeof slots->slot);
      }
      // What the children have of the state is nothing; what the supervisor knows is the truth.
      const pid_t mine = static_cast<pid_t>(raw(SYS_getpid));
      const long child = raw(SYS_clone, SIGCHLD, 0, 0, 0, 0);
      if (child == 0) {
        if (in_state && (getppid() != mine || getpid() != raw(SYS_getpid) ||
                         access("/proc/self/stat", F_OK) != 0)) {
          wrong("a state that was inherited");
        }
        for (int k = 0; k < 3; ++k) {
          struct stat st;
          lstat("/etc/passwd", &st);
          (void)!truncate("/nonexistent/x", 0);
          rmdir("/nonexistent/x");
          getpid();
        }
        _exit(0);
      }
      raw(SYS_wait4, child, 0, 0, 0);
    });
  }
}

// The code is one file for all guests.
static void write_code() {
  for (const uint64_t page : {kBase, kBase + kPage, kShared}) {
    if (mprotect(at(page), kPage, PROT_READ | PROT_WRITE) == 0) wrong("writable code");
    if (mprotect(at(page), kPage, PROT_READ | PROT_WRITE | PROT_EXEC) == 0) wrong("writable code");
    const int memory = open("/proc/self/mem", O_RDWR);
    if (memory >= 0 && pwrite(memory, "\xf4\xf4\xf4\xf4", 4, static_cast<off_t>(page)) == 4) {
      wrong("code written by /proc/self/mem");
    }
    close(memory);
    madvise(at(page), kPage, MADV_REMOVE);
    madvise(at(page), kPage, MADV_DONTNEED);
    if (static_cast<Header*>(at(kBase))->magic != kMagic) wrong("code is gone");
  }
}

// Into the midst of anything. Who goes round in circles there is ended.
static void jump_anywhere(unsigned seed) {
  std::mt19937 random(seed);
  const long calls[] = {SYS_getpid,     SYS_access, SYS_kill,        SYS_tkill,
                        SYS_pidfd_open, SYS_getcwd, SYS_sched_yield, SYS_getppid};
  for (int i = 0; i < 400; ++i) {
    const long second = random() % 2 ? SIGKILL : address_of("/etc/passwd");
    const uint64_t target = kBase + sizeof(Header) + random() % 0x400;
    const Request request = {target, calls[random() % 8], {outsider, second}};
    const pid_t pid = fork();
    if (pid == 0) {
      const itimerval soon = {{0, 0}, {0, 100000}};
      setitimer(ITIMER_REAL, &soon, nullptr);
      jump_into(&request);
      _exit(0);
    }
    if (waitpid(pid, nullptr, 0) != pid) wrong("a wait for who jumped");
  }
}

static int attack() {
  for (int i = 0; i < 50; ++i) {
    getpid();
    access("/etc/passwd", F_OK);
  }
  if (!mapped(kBase) || !mapped(kState) || static_cast<Header*>(at(kBase))->magic != kMagic) {
    wrong("no agent to attack by");
    return 1;
  }
  const Header& header = *static_cast<Header*>(at(kBase));
  // The attack is one: at the trusted place the kernel is not asked what a path may mean.
  char path[64];
  snprintf(path, sizeof path, "/proc/%d", outsider);
  const Request look = {header.trusted_ip - 2, SYS_access, {address_of(path), F_OK}};
  if (access(path, F_OK) != -1 || jump_into(&look) != 0)
    wrong("the trusted place is not where it should be");
  snprintf(path, sizeof path, "/proc/%d/mem", outsider);
  const Request memory = {header.trusted_ip - 2, SYS_openat, {AT_FDCWD, address_of(path), O_RDWR}};
  const long opened = jump_into(&memory);
  printf("memory of others: %s\n", opened >= 0 ? "open" : "closed");
  for (const uint64_t place : places()) {
    attack_outsider_from(place);
    make_children_from(place);
    exec_from(place);
    lie_from(place);
    check_own_life("after jumps");
  }
  tear();
  check_own_life("after tearing");
  overwrite();
  check_own_life("after overwriting");
  write_code();
  check_own_life("after writing");
  const Request boot = {header.boot, 0, {1}};
  in_child("boot", [&] { jump_into(&boot); });
  jump_anywhere(20250211);
  check_own_life("in the end");
  puts("attacked");
  return 0;
}

static int witness() {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NAME, "victim");
    while (access("stop", F_OK) != 0) usleep(20000);
    check_own_life("of the victim");
    fflush(stdout);
    _exit(7);
  }
  while (access("stop", F_OK) != 0) {
    check_own_life("of the witness");
    const pid_t pid = fork();
    if (pid == 0) _exit(9);
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 9)
      wrong("a child of the witness");
    if (waitpid(child, &status, WNOHANG) != 0) wrong("the victim is gone");
    if (kill(child, 0) != 0) wrong("the victim cannot be signalled");
    usleep(1000);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
    wrong("the victim's end");
  puts("fine");
  return 0;
}

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc == 4 && strcmp(argv[1], "attack") == 0) {
    outsider = atoi(argv[2]);
    victim = atoi(argv[3]);
    return attack();
  }
  return witness();
}
