#include "tracer/waiter.h"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace warren {

namespace {

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

// Stops of tracees are told without WSTOPPED (ptrace(2)).
constexpr int kAnyNews = WEXITED | WNOHANG | WNOWAIT | __WALL;

// After a look through all tasks, this many times as long passes before the next.
constexpr int kLookShare = 8;

int interrupt_signal() { return SIGRTMIN + 4; }

bool is_death(int code) { return code == CLD_EXITED || code == CLD_KILLED || code == CLD_DUMPED; }

timespec as_timespec(nanoseconds duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((duration - seconds).count())};
}

}  // namespace

void Waiter::attach_thread() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGCHLD);
  sigaddset(&signals_, interrupt_signal());
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = gettid();
}

void Waiter::interrupt() {
  if (interrupted_.exchange(1) == 0) {
    syscall(SYS_tgkill, getpid(), thread_, interrupt_signal());
  }
}

// One call more for each piece of news that no SIGCHLD told of: whether it is a death can be known
// without taking it.
pid_t Waiter::take_from(pid_t tid, int* status) {
  if (death_observer_) {
    siginfo_t info{};
    const int kinds = kAnyNews | (stops_ ? WSTOPPED : 0);
    const int r = tid > 0 ? waitid(P_PID, static_cast<id_t>(tid), &info, kinds)
                          : waitid(P_ALL, 0, &info, kinds);
    if (r != 0) return -1;
    if (info.si_pid == 0) return 0;
    if (is_death(info.si_code)) death_observer_(info.si_pid);
    tid = info.si_pid;
  }
  return waitpid(tid, status, options());
}

WaitEvent Waiter::poll() {
  int status = 0;
  const pid_t tid = take_from(-1, &status);
  if (tid > 0) return {WaitEvent::Kind::kTask, tid, status};
  if (tid < 0 && errno == ECHILD) return {WaitEvent::Kind::kNoTasks};
  return {WaitEvent::Kind::kInterrupted};
}

bool Waiter::take_announced(WaitEvent* event, nanoseconds timeout) {
  const timespec limit = as_timespec(timeout);
  siginfo_t info;
  const int signal = sigtimedwait(&signals_, &info, &limit);
  if (signal < 0) return false;
  if (signal != SIGCHLD) {
    interrupted_.store(0);
    *event = {WaitEvent::Kind::kInterrupted};
    return true;
  }
  unannounced_ = true;
  if (info.si_pid > 0 && is_death(info.si_code) && death_observer_) death_observer_(info.si_pid);
  int status = 0;
  const pid_t tid = info.si_pid > 0 ? waitpid(info.si_pid, &status, options()) : 0;
  if (tid <= 0) return false;  // its news was taken already
  *event = {WaitEvent::Kind::kTask, tid, status};
  return true;
}

bool Waiter::pause() {
  sigset_t news;
  sigemptyset(&news);
  sigaddset(&news, SIGCHLD);
  const timespec limit = as_timespec(std::chrono::milliseconds{1});
  siginfo_t info;
  if (sigtimedwait(&news, &info, &limit) < 0) return false;
  unannounced_ = true;
  if (info.si_pid > 0) expect(info.si_pid);
  return true;
}

void Waiter::expect(pid_t tid) {
  auto place = std::find(recent_.begin(), recent_.end(), tid);
  if (place == recent_.end()) --place;
  std::move_backward(recent_.begin(), place, place + 1);
  recent_[0] = tid;
}

bool Waiter::take_recent(WaitEvent* event) {
  for (pid_t& recent : recent_) {
    if (recent == 0) continue;
    int status = 0;
    const pid_t tid = take_from(recent, &status);
    if (tid > 0) {
      *event = {WaitEvent::Kind::kTask, tid, status};
      return true;
    }
    if (tid < 0) recent = 0;
  }
  return false;
}

bool Waiter::take(WaitEvent* event) {
  if (take_announced(event, nanoseconds{0})) return true;
  if (!unannounced_) return false;
  const Clock::time_point begin = Clock::now();
  if (begin < next_look_) return take_recent(event);
  *event = poll();
  const Clock::time_point end = Clock::now();
  next_look_ = end + kLookShare * (end - begin);
  if (event->kind != WaitEvent::Kind::kInterrupted) return true;
  unannounced_ = false;
  return false;
}

bool Waiter::spin(WaitEvent* event) {
  const Clock::time_point begin = Clock::now();
  Clock::time_point last = begin;
  while (true) {
    if (take(event)) return true;
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

bool Waiter::sleep(WaitEvent* event) {
  constexpr nanoseconds kForever = std::chrono::hours{1};
  const Clock::time_point begin = Clock::now();
  stats_.blocking_waits.fetch_add(1, std::memory_order_relaxed);
  const nanoseconds until_look =
      unannounced_ ? std::max(next_look_ - begin, Clock::duration{0}) : kForever;
  if (!take_announced(event, until_look) && !take(event)) return false;
  const Clock::time_point end = Clock::now();
  if (event->kind == WaitEvent::Kind::kTask && end - begin < 2 * kLongestWindow &&
      end > sleep_until_) {
    window_ = kLongestWindow;
  }
  return true;
}

WaitEvent Waiter::wait(bool briefly) {
  WaitEvent event{WaitEvent::Kind::kInterrupted};
  if (interrupted_.exchange(0) != 0) return event;
  if (briefly) {
    if (!take(&event)) take_announced(&event, std::chrono::milliseconds{1});
    return event;
  }
  if (!take(&event) && !(window_.count() > 0 && spin(&event))) {
    while (!sleep(&event)) {
    }
  }
  if (event.kind == WaitEvent::Kind::kTask) expect(event.tid);
  return event;
}

}  // namespace warren
