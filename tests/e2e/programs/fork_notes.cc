// A guest that nobody traces tells lies where it and its children note what came of their forks.
// fork_notes HOST...: numbers of the host that it has no business with.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "inject/layout.h"

using warren::inject::kState;
using warren::inject::State;

static State& state() { return *reinterpret_cast<State*>(kState); }

static bool has_agent() {
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[512];
  bool found = false;
  while (maps && fgets(line, sizeof line, maps)) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (sscanf(line, "%lx-%lx", &begin, &end) == 2 && begin <= kState && kState < end) found = true;
  }
  if (maps) fclose(maps);
  return found;
}

// It runs, so it has noted whose it is.
static pid_t sleeper() {
  int runs[2];
  if (pipe(runs) != 0) exit(1);
  const pid_t child = fork();
  if (child == 0) {
    if (write(runs[1], "x", 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char c;
  if (read(runs[0], &c, 1) != 1) exit(1);
  close(runs[0]);
  close(runs[1]);
  return child;
}

static State::Child& note_of(pid_t child) {
  return state().children[static_cast<unsigned>(child) % WARREN_AGENT_NR_CHILDREN];
}

// The child ends by that signal, and nobody else does.
static void end_and_check(const char* what, pid_t child) {
  int status = 0;
  if (kill(child, SIGKILL) != 0) printf("wrong: %s: kill: %s\n", what, strerror(errno));
  if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
    printf("wrong: %s: wait\n", what);
}

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IONBF, 0);
  for (int i = 0; i < 50; i++) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    if (waitpid(child, nullptr, 0) != child) return 1;
    char path[64];
    snprintf(path, sizeof path, "nothing.%d", i);
    if (access(path, F_OK) == 0) return 1;
  }
  if (!has_agent()) {
    puts("no agent");
    return 1;
  }
  // Somebody else's process in place of the child.
  for (int i = 1; i < argc; i++) {
    const pid_t child = sleeper();
    note_of(child) = {static_cast<unsigned>(child), atoi(argv[i])};
    if (kill(child, 0) != 0) printf("wrong: %s is no child, and the real one is lost\n", argv[i]);
    note_of(child) = {};  // its own waits believe it
    end_and_check("a stranger", child);
    // One that it has waited for, it says. Its real child stays until the container ends.
    const pid_t another = sleeper();
    note_of(another) = {static_cast<unsigned>(another) | State::kReaped, atoi(argv[i])};
    (void)kill(another, SIGKILL);
    note_of(another) = {};
  }
  // One child in place of another, which is known by then.
  const pid_t first = sleeper();
  const int host = note_of(first).host;
  if (kill(first, 0) != 0) puts("wrong: the first");
  const pid_t second = sleeper();
  note_of(second) = {static_cast<unsigned>(second), host};
  if (kill(second, 0) != 0) puts("wrong: the second");
  note_of(second) = {};
  end_and_check("the second", second);
  if (kill(first, 0) != 0) puts("wrong: the first is gone");
  end_and_check("the first", first);
  // It says that it has waited for a child that lives: that one is no guest any more, and ends at
  // its next call that anybody looks at.
  int fds[2];
  int held[2];
  if (pipe(fds) != 0 || pipe(held) != 0) return 1;
  const pid_t disowned = fork();
  if (disowned == 0) {
    char c;
    if (read(fds[0], &c, 1) != 1) _exit(1);
    for (;;) access("/proc/self/status", F_OK);
  }
  note_of(disowned).number |= State::kReaped;
  (void)kill(disowned, 0);
  close(held[1]);
  if (write(fds[1], "x", 1) != 1) return 1;
  char nothing;
  if (read(held[0], &nothing, 1) != 0) puts("wrong: the disowned one");
  int status = 0;
  // A child that lies about whose it is.
  const pid_t liar = fork();
  if (liar == 0) {
    state().key = 0x123456789abcdef0;
    for (;;) access("/proc/self/status", F_OK);
  }
  usleep(20000);
  kill(liar, SIGKILL);
  (void)waitpid(liar, nullptr, 0);
  // And all still works.
  const pid_t last = fork();
  if (last == 0) _exit(7);
  if (waitpid(last, &status, 0) != last || status != 7 << 8) puts("wrong: the last");
  puts("lied");
  return 0;
}
