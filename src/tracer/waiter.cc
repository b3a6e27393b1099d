#include "tracer/waiter.h"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "arch/x86_64/interruptible_syscall.h"

namespace warren {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

// A fork's stops are up to some 100 us apart, the time that the kernel itself takes for it. Windows
// of 60, 120 and 200 us made fork+exit+wait cost 1.65, 1.45 and 1.40 times native; more gains
// nothing.
constexpr nanoseconds kLongestWindow{150'000};
constexpr nanoseconds kShortestWindow{10'000};
// A look that took longer than this was interrupted by somebody who needed the processor. Then
// looking does harm: who looks is not woken by an event, but waits for its turn behind whoever
// computes. So it sleeps for a while, and an event gets it the processor at once.
constexpr nanoseconds kPreempted{60'000};
constexpr nanoseconds kPause{5'000'000};

int interrupt_signal() { return SIGRTMIN + 4; }

void on_interrupt(int, siginfo_t*, void* context) {
  arch::leave_interruptible_syscall(static_cast<ucontext_t*>(context));
}

}  // namespace

void Waiter::attach_thread() {
  struct sigaction action {};
  action.sa_sigaction = on_interrupt;
  action.sa_flags = SA_SIGINFO;
  sigfillset(&action.sa_mask);
  sigaction(interrupt_signal(), &action, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, interrupt_signal());
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  thread_ = gettid();
}

void Waiter::interrupt() {
  if (interrupted_.exchange(1) == 0) {
    syscall(SYS_tgkill, getpid(), thread_, interrupt_signal());
  }
}

WaitEvent Waiter::poll() {
  int status = 0;
  const pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);
  if (tid > 0) return {WaitEvent::Kind::kTask, tid, status};
  if (tid < 0 && errno == ECHILD) return {WaitEvent::Kind::kNoTasks};
  return {WaitEvent::Kind::kInterrupted};
}

bool Waiter::spin(WaitEvent* event) {
  const Clock::time_point begin = Clock::now();
  Clock::time_point last = begin;
  while (true) {
    *event = poll();
    if (event->kind != WaitEvent::Kind::kInterrupted) return true;
    if (interrupted_.load(std::memory_order_relaxed) != 0) return false;
    sched_yield();
    const Clock::time_point now = Clock::now();
    if (now - last > kPreempted) {
      window_ = nanoseconds{0};
      sleep_until_ = now + kPause;
      return false;
    }
    if (now - begin > window_) {
      window_ /= 2;
      if (window_ < kShortestWindow) window_ = nanoseconds{0};
      return false;
    }
    last = now;
  }
}

WaitEvent Waiter::wait() {
  if (interrupted_.exchange(0) != 0) return {WaitEvent::Kind::kInterrupted};
  WaitEvent event{WaitEvent::Kind::kInterrupted};
  if (window_.count() > 0 && spin(&event)) return event;

  const Clock::time_point begin = Clock::now();
  int status = 0;
  const long tid = arch::interruptible_syscall(&interrupted_, SYS_wait4, -1,
                                               reinterpret_cast<long>(&status), __WALL, 0);
  stats_.blocking_waits.fetch_add(1, std::memory_order_relaxed);
  if (tid == -EINTR) {
    interrupted_.store(0);
    return {WaitEvent::Kind::kInterrupted};
  }
  if (tid < 0) return {WaitEvent::Kind::kNoTasks};
  const Clock::time_point end = Clock::now();
  if (end - begin < 2 * kLongestWindow && end > sleep_until_) window_ = kLongestWindow;
  return {WaitEvent::Kind::kTask, static_cast<pid_t>(tid), status};
}

}  // namespace warren
