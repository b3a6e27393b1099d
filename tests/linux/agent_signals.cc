// timeout: 60
// Signals in the midst of calls: while an instruction meets the supervisor for the first time,
// while it is served in the program, and while a call that the program made itself blocks.
#include <setjmp.h>

#include "harness.h"
#include "sites.h"

static volatile int handled;
static const char* fifo;
static volatile int open_after;  // the handler opens the FIFO's other end at this count
static volatile int other_end = -1;
static volatile int wrong_in_handler;
static int self;

// A handler makes calls itself, through the instructions that it may have interrupted.
static void on_tick(int) {
  const int saved = errno;
  handled = handled + 1;
  if (site<0, SYS_getpid>() != self || getpid() != self) wrong_in_handler = 1;
  if (site<0, SYS_access>(arg("/etc/passwd"), F_OK) != 0) wrong_in_handler = 1;
  if (site<0, SYS_access>(arg("/proc/self/stat"), F_OK) != 0) wrong_in_handler = 1;
  if (open_after && handled >= open_after && other_end < 0) {
    other_end = static_cast<int>(site<1, SYS_open>(arg(fifo), O_RDWR | O_NONBLOCK));
  }
  errno = saved;
}

static void tick(int microseconds) {
  const itimerval timer = {{0, microseconds}, {0, microseconds}};
  MUST(setitimer(ITIMER_REAL, &timer, nullptr));
}

static long blocking_open(bool at) {
  return at ? site<2, SYS_openat>(AT_FDCWD, arg(fifo), O_RDONLY)
            : site<2, SYS_open>(arg(fifo), O_RDONLY);
}

static void interrupted() {
  on_signal(SIGALRM, on_tick);
  tick(1000);
  int interrupted = 0;
  for (int i = 0; i < 150; i++) {
    if (blocking_open(i % 2) == -EINTR) interrupted++;
    if (open(fifo, O_RDONLY) == -1 && errno == EINTR) interrupted++;
  }
  tick(0);
  say("interrupted %d of 300, handled enough %d, wrong %d", interrupted, handled >= 300,
      wrong_in_handler);
}

static void restarted() {
  on_signal(SIGALRM, on_tick, SA_RESTART);
  int opened = 0, early = 0;
  for (int i = 0; i < 20; i++) {
    other_end = -1;
    handled = 0;
    open_after = 5;
    tick(1000);
    const long fd = blocking_open(i % 2);
    tick(0);
    if (fd >= 0) opened++;
    if (handled < 5) early++;
    close(static_cast<int>(fd));
    close(other_end);
  }
  open_after = 0;
  say("restarted: opened %d of 20, early %d, wrong %d", opened, early, wrong_in_handler);
}

static sigjmp_buf away;

// The handler does not come back: what the call left on the stack is left there.
[[gnu::noinline]] static int leave(bool at) {
  if (sigsetjmp(away, 1) != 0) return 1;
  const itimerval once = {{0, 0}, {0, 1000}};
  MUST(setitimer(ITIMER_REAL, &once, nullptr));
  blocking_open(at);
  return 0;
}

static void left_for_good() {
  on_signal(SIGALRM, [](int) { siglongjmp(away, 1); });
  int left = 0;
  for (int i = 0; i < 100; i++) left += leave(i % 2);
  say("left %d of 100, pid still %d", left, site<0, SYS_getpid>() == self);
}

static void on_a_stack_of_its_own() {
  alignas(16) static char stack[1 << 16];
  const stack_t alternate = {.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof stack};
  MUST(sigaltstack(&alternate, nullptr));
  on_signal(SIGALRM, on_tick, SA_ONSTACK);
  handled = 0;
  tick(1000);
  int interrupted = 0;
  for (int i = 0; i < 50; i++) interrupted += blocking_open(i % 2) == -EINTR;
  tick(0);
  say("interrupted %d of 50, wrong %d", interrupted, wrong_in_handler);
}

// All is right however many signals come between: at each instruction's first call, which patches
// it, and in the code that serves it from then on.
template <int kIndex>
static int fresh_sites() {
  struct stat st;
  char text[64];
  int wrong = 0;
  for (int i = 0; i < 6; i++) {
    wrong += site<100 + kIndex, SYS_getpid>() != self;
    wrong += site<100 + kIndex, SYS_stat>(arg("/etc/passwd"), arg(&st)) != 0;
    wrong += site<100 + kIndex, SYS_stat>(arg("/nonexistent/x"), arg(&st)) != -ENOENT;
    wrong += site<100 + kIndex, SYS_readlink>(arg("/proc/self"), arg(text), sizeof text) <= 0 ||
             atoi(text) != self;
    wrong += site<100 + kIndex, SYS_access>(arg("/proc/1/stat"), F_OK) != 0;
    memset(text, 0, sizeof text);
  }
  return wrong;
}

template <int... kIndices>
static int all_fresh_sites(std::integer_sequence<int, kIndices...>) {
  return (fresh_sites<kIndices>() + ...);
}

static void while_sites_are_patched() {
  on_signal(SIGALRM, on_tick, SA_RESTART);
  handled = 0;
  tick(200);
  // More instructions than there is room for.
  const int wrong = all_fresh_sites(std::make_integer_sequence<int, 50>());
  while (handled < 50) getpid();
  tick(0);
  say("fresh sites: wrong %d, in handlers %d", wrong, wrong_in_handler);
}

// A handler that ran between any two instructions finds and leaves the program's registers.
static void at_any_instruction() {
  on_signal(SIGALRM, on_tick, SA_RESTART);
  handled = 0;
  tick(300);
  struct stat st;
  long wrong = 0;
  while (handled < 300) {
    for (int i = 0; i < 50; i++) {
      wrong += getpid() != self;
      wrong += stat("/etc/passwd", &st) != 0 || !S_ISREG(st.st_mode);
      wrong += access("/nonexistent/yes", F_OK) != -1 || errno != ENOENT;
      wrong += site<3, SYS_access>(0x123456789000, F_OK) != -EFAULT;
    }
  }
  tick(0);
  say("any instruction: wrong %ld, in handlers %d", wrong, wrong_in_handler);
}

// Another process's signals, of two kinds, one of which the other interrupts.
static void from_outside() {
  static volatile int first, second;
  on_signal(SIGUSR1, [](int) {
    first = first + 1;
    if (site<0, SYS_access>(arg("/etc/passwd"), F_OK) != 0) wrong_in_handler = 1;
  });
  on_signal(
      SIGUSR2,
      [](int, siginfo_t* info, void*) {
        second = second + 1;
        if (info->si_pid != getppid() && info->si_pid == 0) wrong_in_handler = 1;
      },
      SA_RESTART);
  pid_t sender = spawn([] {
    while (kill(self, SIGUSR1) == 0 && kill(self, SIGUSR2) == 0) sched_yield();
  });
  int interrupted = 0;
  for (int i = 0; i < 200; i++) interrupted += blocking_open(i % 2) == -EINTR;
  MUST(kill(sender, SIGKILL));
  int status;
  while (waitpid(sender, &status, 0) != sender) {
  }
  say("interrupted %d of 200, both came %d, wrong %d", interrupted, first > 0 && second > 0,
      wrong_in_handler);
}

int main() {
  return below_init([] {
    std::string name = std::string(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp") + "/agent_signals";
    fifo = name.c_str();
    unlink(fifo);
    MUST(mkfifo(fifo, 0600));
    const auto part = [](const char* what, void (*f)()) {
      in_child(what, [f] {
        self = getpid();
        f();
      });
    };
    part("interrupted", interrupted);
    part("restarted", restarted);
    part("left for good", left_for_good);
    part("on a stack of its own", on_a_stack_of_its_own);
    part("while sites are patched", while_sites_are_patched);
    part("at any instruction", at_any_instruction);
    part("from outside", from_outside);
    unlink(fifo);
  });
}
