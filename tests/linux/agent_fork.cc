// timeout: 60
// A process's own numbers, asked for again and again, through everything that changes them: what
// was true of the parent, of the program before, or before a thread began, must not be answered.
#include <pthread.h>

#include "harness.h"
#include "sites.h"

struct Numbers {
  int pid, ppid, tid;
  bool operator==(const Numbers& other) const {
    return pid == other.pid && ppid == other.ppid && tid == other.tid;
  }
};

static Numbers by_libc() { return {getpid(), getppid(), gettid()}; }

static Numbers by_sites() {
  return {static_cast<int>(site<0, SYS_getpid>()), static_cast<int>(site<0, SYS_getppid>()),
          static_cast<int>(site<0, SYS_gettid>())};
}

// Asks until nothing is new to anybody; -1 in the first number if the answers differ.
static Numbers numbers() {
  const Numbers first = by_libc();
  for (int i = 0; i < 5; i++) {
    if (!(by_libc() == first) || !(by_sites() == first)) return {-1, -1, -1};
    const Numbers slowly = {static_cast<int>(raw(SYS_getpid)), static_cast<int>(raw(SYS_getppid)),
                            static_cast<int>(raw(SYS_gettid))};
    if (!(slowly == first)) return {-1, -1, -1};
  }
  return first;
}

static void say_numbers(const char* what, const Numbers& n) {
  say("%s: pid %d ppid %d tid %d", what, n.pid, n.ppid, n.tid);
}

static void here(const char* what) { say_numbers(what, numbers()); }

static void forks() {
  here("first");
  in_child("fork", [] {
    here("child");
    in_child("fork again", [] { here("grandchild"); });
    here("child after");
  });
  here("parent after");
  // Each asks at once, before anybody was told anything.
  pid_t parent = getpid();
  int wrong = 0;
  for (int i = 0; i < 100; i++) {
    pid_t pid = spawn([&] {
      const Numbers n = by_libc();
      const Numbers again = by_libc();
      return n.ppid == parent && n.pid == n.tid && n.pid != parent && again == n ? n.pid & 0x7f
                                                                                 : 255;
    });
    int status;
    MUST(waitpid(pid, &status, 0));
    if (WEXITSTATUS(status) != (pid & 0x7f) || getpid() != parent || gettid() != parent) wrong++;
  }
  say("children that were wrong %d", wrong);
  // A chain: each number is the parent's number of the next.
  in_child("chain", [] {
    for (int depth = 0; depth < 20; depth++) {
      const int mine = getpid();
      pid_t pid = fork();
      if (pid == 0) {
        if (getppid() != mine || getpid() == mine || gettid() != getpid()) _exit(1);
        continue;
      }
      int status;
      MUST(waitpid(pid, &status, 0));
      if (getpid() != mine) _exit(2);
      _exit(WEXITSTATUS(status));
    }
    _exit(20);
  });
}

static volatile Numbers seen;

static void see(const Numbers& n) {
  seen.pid = n.pid;
  seen.ppid = n.ppid;
  seen.tid = n.tid;
}

static void say_seen(const char* what) {
  say("%s: pid %d ppid %d tid %d", what, seen.pid, seen.ppid, seen.tid);
}

[[gnu::noinline]] static void one_vfork() {
  pid_t pid = vfork();
  if (pid == 0) {
    see(numbers());
    _exit(5);
  }
  say_seen("vfork child");
  here("its parent");
  say("%s", reap(pid).c_str());
}

static void vforks(const char* self) {
  for (int i = 0; i < 3; i++) one_vfork();
  pid_t pid = vfork();
  if (pid == 0) {
    see(by_libc());
    execl(self, "agent_fork", "numbers", "exec from vfork", nullptr);
    _exit(99);
  }
  // The new program speaks for itself meanwhile.
  const std::string end = reap(pid);
  say_seen("vfork child before exec");
  say("%s", end.c_str());
  here("its parent");
  pid = vfork();
  if (pid == 0) {
    see(numbers());
    execl("/nonexistent", "x", nullptr);
    const Numbers after = numbers();
    if (after.pid != seen.pid || after.ppid != seen.ppid || after.tid != seen.tid) _exit(1);
    execl("/etc/passwd", "x", nullptr);
    see(numbers());
    _exit(7);
  }
  say_seen("vfork child whose execs failed");
  say("%s", reap(pid).c_str());
  here("its parent");
  in_child("fork after vfork", [] { here("child"); });
}

// clone(CLONE_VM) without CLONE_VFORK: two processes, one memory, at the same time.
static volatile int stage;
static volatile int wrong_there;

static int beside(void*) {
  see(numbers());
  stage = 1;
  const int mine = seen.pid;
  while (stage != 2) {
    if (getpid() != mine || gettid() != mine) wrong_there = 1;
  }
  return 3;
}

static void shared_memory() {
  static char stack[1 << 16] __attribute__((aligned(64)));
  for (int i = 0; i < 3; i++) {
    stage = 0;
    const Numbers before = numbers();
    pid_t pid = MUST(clone(beside, stack + (1 << 16), CLONE_VM | SIGCHLD, nullptr));
    int wrong = 0;
    while (stage == 0) wrong += !(by_libc() == before);
    for (int k = 0; k < 50; k++) wrong += !(by_libc() == before);
    stage = 2;
    say("%s", reap(pid).c_str());
    wrong += !(numbers() == before);
    say_seen("a process with the same memory");
    say("wrong in the parent %d in the child %d", wrong, wrong_there);
    in_child("fork", [] { here("child"); });
  }
}

static void* as_thread(void* argument) {
  const Numbers n = numbers();
  if (n.pid != getpid() || n.tid == n.pid || n.tid != gettid()) return nullptr;
  if (argument) {
    pid_t pid = spawn([&] {
      const Numbers child = numbers();
      return child.ppid == n.pid && child.tid == child.pid ? 11 : 12;
    });
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 11) return nullptr;
  }
  static int right;
  return &right;
}

static void threads() {
  here("before threads");
  int wrong = 0;
  for (int i = 0; i < 10; i++) {
    pthread_t thread;
    void* right = nullptr;
    if (pthread_create(&thread, nullptr, as_thread, i % 2 ? &thread : nullptr) != 0) wrong++;
    if (gettid() != getpid()) wrong++;
    pthread_join(thread, &right);
    if (!right || gettid() != getpid()) wrong++;
  }
  say("threads that were wrong %d", wrong);
  here("after threads");
  in_child("fork after threads", [] { here("child"); });
}

// The thread that execs takes over the leader's number.
static void exec_in_thread(const char* self) {
  pid_t pid = spawn([&] {
    here("process");
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void* path) -> void* {
          if (gettid() == getpid()) say("wrong: a thread's number");
          execl(static_cast<const char*>(path), "agent_fork", "numbers", "exec in a thread",
                nullptr);
          _exit(99);
        },
        const_cast<char*>(self));
    pause();
  });
  say("%s", reap(pid).c_str());
}

// The parent ends: somebody else is the parent, and the answer of before is no longer right.
static void orphans() {
  for (const bool subreaper : {false, true}) {
    in_child(subreaper ? "orphan below a subreaper" : "orphan", [=] {
      if (subreaper) MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
      Gate known, ended;
      pid_t parent = spawn([&] {
        spawn([&] {
          here("with a parent");
          const int before = getppid();
          known.open();
          while (getppid() == before) sched_yield();
          here("without");
          in_child("fork", [] { here("its child"); });
          ended.open();
        });
        known.pass();
      });
      reap(parent);
      ended.close_writer();
      ended.pass();
      if (subreaper) say("%s", reap(-1).c_str());
    });
  }
  // Without ever having been asked.
  Gate go, ended;
  pid_t parent = spawn([&] {
    spawn([&] {
      go.pass();
      here("asked for the first time");
      ended.open();
    });
  });
  say("%s", reap(parent).c_str());
  go.open();
  ended.close_writer();
  ended.pass();
}

static void a_sibling() {
  in_child("clone with CLONE_PARENT", [] {
    here("caller");
    Gate go, done;
    long pid = raw(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
      go.pass();
      here("sibling");
      done.open();
      _exit(4);
    }
    here("caller after");
    go.open();
    done.pass();
    say("wait %s", reap(static_cast<pid_t>(pid)).c_str());
  });
  say("the sibling: %s", reap(-1).c_str());
}

int main(int argc, char** argv) {
  if (argc > 2) {
    here(argv[2]);
    here("again");
    return 9;
  }
  char self[4096] = {};
  MUST(readlink("/proc/self/exe", self, sizeof self - 1));
  here("init");
  return below_init([&] {
    forks();
    vforks(self);
    shared_memory();
    threads();
    in_child("failed exec", [] {
      here("before");
      execl("/nonexistent", "x", nullptr);
      here("after");
      execl("/etc/passwd", "x", nullptr);
      here("after another");
    });
    in_child("exec", [&] {
      here("before");
      execl(self, "agent_fork", "numbers", "after", nullptr);
    });
    exec_in_thread(self);
    orphans();
    a_sibling();
    here("last");
  });
}
