// /proc/PID/task: listing, wrong owners, threads that come and go, comm and its writing.
#include <dirent.h>
#include <pthread.h>

#include "harness.h"

static std::string list(const std::string& path) {
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return errno_name(errno);
  std::string out;
  while (dirent* entry = readdir(dir)) out += std::string(entry->d_name) + " ";
  closedir(dir);
  return out;
}

int main() {
  below_init([] {
    static Gate ready, go;
    pthread_t t[3];
    for (pthread_t& thread : t) {
      pthread_create(
          &thread, nullptr,
          [](void*) -> void* {
            prctl(PR_SET_NAME, ("t" + std::to_string(raw(SYS_gettid))).c_str());
            ready.open();
            go.pass();
            return nullptr;
          },
          nullptr);
      ready.pass();
    }
    say("%s", list("/proc/self/task").c_str());
    say("%s", list("/proc/2/task").c_str());
    say("%s", list("/proc/1/task").c_str());
    say("by a thread's number: %s", list("/proc/4/task").c_str());
    say("nobody: %s", list("/proc/9999/task").c_str());
    say("comm %s", slurp("/proc/2/task/4/comm").c_str());
    say("comm by the thread's number %s", slurp("/proc/4/comm").c_str());
    say("another's thread: %s", slurp("/proc/1/task/4/comm").c_str());
    say("no such thread: %s", slurp("/proc/2/task/9/comm").c_str());
    int fd = open("/proc/self/task/4/comm", O_WRONLY);
    SHOW(write(fd, "renamed", 7));
    close(fd);
    say("comm %s", slurp("/proc/thread-self/../4/comm").c_str());
    struct stat st;
    SHOW(stat("/proc/self/task", &st));
    say("links %lu", st.st_nlink);
    for (int i = 0; i < 3; i++) go.open();
    for (pthread_t thread : t) pthread_join(thread, nullptr);
    // A join may return a moment before the thread is gone from the listing.
    while (status_field("/proc/self/status", "Threads") != "1") sched_yield();
    say("after: %s", list("/proc/self/task").c_str());
    say("gone: %s", slurp("/proc/4/comm").c_str());
    say("child's children file: '%s'", slurp("/proc/self/task/2/children").c_str());
    pid_t child = spawn([] { pause(); });
    say("now: '%s'", slurp("/proc/thread-self/children").c_str());
    kill(child, SIGKILL);
    say("%s", reap(child).c_str());
  });
}
