// Threads: new ones that are traced, waits for one of them, requests by another thread than the
// tracer, exec by one that is not the first, and ends of threads.
#include <pthread.h>

#include <map>

#include "ptrace.h"

static void* wait_for_ever(void*) {
  for (;;) pause();
}

static void* end_at_once(void* argument) { return argument; }

static void* exec_now(void*) {
  execl("/proc/self/exe", "threads", "exec'ed", nullptr);
  return nullptr;
}

static pid_t traced(void (*program)(), int options) {
  pid_t child = spawn([program] {
    MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
    raise(SIGSTOP);
    program();
  });
  STOP(child);
  MUST(trace(PTRACE_SETOPTIONS, child, 0, options));
  MUST(trace(PTRACE_CONT, child));
  return child;
}

// What each task tells until none is left, in the order of numbers.
static void follow_all() {
  std::map<pid_t, std::string> lines;
  int status = 0;
  pid_t pid;
  while ((pid = waitpid(-1, &status, __WALL)) > 0) {
    std::string& line = lines[pid];
    line += " | " + stop_text(status);
    if (!WIFSTOPPED(status)) continue;
    const int event = status >> 16;
    if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_EXEC || event == PTRACE_EVENT_EXIT)
      line += " " + std::to_string(event_message(pid));
    MUST(trace(PTRACE_CONT, pid));
  }
  for (const auto& [number, line] : lines) say("%d%s", number, line.c_str());
}

int main(int argc, char**) {
  if (argc > 1) return 9;
  constexpr int kOptions = PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
  below_init([] {
    traced(
        [] {
          for (int i = 0; i < 3; i++) {
            pthread_t thread;
            pthread_create(&thread, nullptr, end_at_once, nullptr);
            pthread_join(thread, nullptr);
            // Not before the tracer has waited for it: its status would be the process's.
            const std::string task = "/proc/self/task/" + std::to_string(getpid() + 1 + i);
            while (access(task.c_str(), F_OK) == 0) sched_yield();
          }
          _exit(3);
        },
        kOptions | PTRACE_O_TRACEEXIT);
    follow_all();
  });
  below_init([] {
    traced(
        [] {
          pthread_t thread;
          pthread_create(&thread, nullptr, exec_now, nullptr);
          wait_for_ever(nullptr);
        },
        kOptions);
    follow_all();
  });
  below_init([] {
    // All threads of a process, attached to one by one.
    Gate ready;
    int fds[2];
    MUST(pipe(fds));
    pid_t child = spawn([&] {
      pthread_t thread;
      pthread_create(&thread, nullptr, wait_for_ever, nullptr);
      ready.open();
      wait_for_ever(nullptr);
    });
    ready.pass();
    const pid_t thread = child + 1;
    SHOW(trace(PTRACE_SEIZE, child, 0, 0));
    SHOW(trace(PTRACE_SEIZE, thread, 0, 0));
    for (pid_t tid : {child, thread}) {
      SHOW(trace(PTRACE_INTERRUPT, tid));
      STOP(tid);
    }
    const std::string task = "/proc/" + std::to_string(child) + "/task/" + std::to_string(thread);
    say("tracer %s", status_field(task + "/status", "TracerPid").c_str());
    SHOW(kill(child, SIGSTOP));
    SHOW(trace(PTRACE_CONT, thread));
    STOP(thread);
    SHOW(trace(PTRACE_CONT, thread, 0, SIGSTOP));
    STOP(thread);
    SHOW(trace(PTRACE_CONT, child));
    STOP(child);
    SHOW(trace(PTRACE_DETACH, thread));
    SHOW(trace(PTRACE_CONT, thread));
    SHOW(kill(child, SIGKILL));
    STOP(child);
    STOP(thread);
  });
  below_init([] {
    // Another thread of the tracer may wait, but for __WNOTHREAD, and ask nothing.
    pid_t child = spawn([] { wait_for_ever(nullptr); });
    MUST(trace(PTRACE_SEIZE, child, 0, 0));
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void* argument) -> void* {
          const auto pid = *static_cast<pid_t*>(argument);
          SHOW(trace(PTRACE_INTERRUPT, pid));
          return nullptr;
        },
        &child);
    pthread_join(thread, nullptr);
    MUST(trace(PTRACE_INTERRUPT, child));
    pthread_create(
        &thread, nullptr,
        [](void* argument) -> void* {
          const auto pid = *static_cast<pid_t*>(argument);
          STOP(pid, __WALL | __WNOTHREAD);
          STOP(pid);
          SHOW(trace(PTRACE_CONT, pid));
          return nullptr;
        },
        &child);
    pthread_join(thread, nullptr);
    MUST(kill(child, SIGKILL));
    STOP(child);
  });
}
