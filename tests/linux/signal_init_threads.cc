// An init of several threads: the kernel's own signals do nothing to it where it has no handler,
// its children have their defaults, and threads that look at its signals, or change them, at once
// find and leave what they should.
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "harness.h"

static const int from_kernel[] = {SIGPIPE, SIGALRM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO};

static std::atomic<int> handled;
static void handler(int) { handled++; }

static std::string actions() {
  std::string all;
  for (const int sig : from_kernel) {
    struct sigaction action;
    if (sigaction(sig, nullptr, &action) != 0) continue;
    if (action.sa_handler == SIG_DFL) continue;
    all += " " + signal_name(sig) + (action.sa_handler == SIG_IGN ? "=ignored" : "=handled");
  }
  return all.empty() ? " all default" : all;
}

static int broken_pipe() {
  int fds[2];
  MUST(pipe(fds));
  close(fds[0]);
  const ssize_t n = write(fds[1], "x", 1);
  const int error = errno;
  close(fds[1]);
  errno = error;
  return static_cast<int>(n);
}

template <typename F>
static void in_threads(int count, F f) {
  std::vector<std::thread> threads;
  std::atomic<int> ready{0};
  for (int i = 0; i < count; i++) {
    threads.emplace_back([&, i] {
      ready++;
      while (ready < count) sched_yield();
      f(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

static void in_a_thread(const std::function<void()>& f) { std::thread(f).join(); }

static void children(const char* when) {
  say("-- children %s", when);
  in_child("of the first thread", [] { say("%s", actions().c_str()); });
  in_a_thread([] {
    in_child("of another", [] { say("%s", actions().c_str()); });
    in_child("broken pipe", [] { broken_pipe(); });
  });
  std::atomic<int> right{0};
  in_threads(4, [&](int) {
    for (int i = 0; i < 5; i++) {
      const pid_t child = fork();
      if (child == 0) {
        raise(SIGPIPE);
        _exit(1);
      }
      int status;
      if (waitpid(child, &status, 0) == child && WIFSIGNALED(status)) right++;
    }
  });
  say("of four at once: %d right", right.load());
}

int main(int argc, char** argv) {
  const int round = argc > 1 ? atoi(argv[1]) : 0;
  say("-- round %d", round);
  std::atomic<bool> stop{false};
  // One that stays.
  std::thread idle([&] {
    while (!stop) usleep(1000);
  });
  for (int i = 0; i < 10; i++) in_a_thread([] {});
  SHOW(broken_pipe());
  in_a_thread([] { SHOW(broken_pipe()); });
  alarm(1);
  if (round == 0) {
    children("at first");
    children("again");
    sleep(2);
  }
  alarm(0);
  // All at once: those who only look, and those who change what is theirs.
  if (round % 2 == 0) {
    std::atomic<int> wrong{0};
    in_threads(4, [&](int) {
      if (actions() != " all default") wrong++;
    });
    say("looked: %d wrong", wrong.load());
  }
  std::atomic<int> wrong{0};
  in_threads(7, [&](int i) {
    struct sigaction action = {}, old = {};
    action.sa_handler = handler;
    if (sigaction(from_kernel[i], &action, &old) != 0 || old.sa_handler != SIG_DFL) wrong++;
    raise(from_kernel[i]);
  });
  say("changed: %d wrong, %d handled,%s", wrong.load(), handled.load(), actions().c_str());
  SHOW(broken_pipe());
  say("handled %d", handled.load());
  if (round == 0) children("with handlers");
  signal(SIGIO, SIG_IGN);
  signal(SIGPIPE, SIG_DFL);
  in_a_thread([] { SHOW(broken_pipe()); });
  say("%s", actions().c_str());
  signal(SIGIO, SIG_DFL);
  stop = true;
  idle.join();
  if (round == 12) return 0;
  const std::string next = std::to_string(round + 1);
  execl("/proc/self/exe", argv[0], next.c_str(), nullptr);
  say("execl: %s", errno_name(errno));
}
