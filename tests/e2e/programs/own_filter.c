// A program with filters of its own, as browsers and daemons have them: what they refuse is
// refused, what they let through goes on as before, in threads, in children and after exec too.
// argv[1] "exec" is the program after its exec.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int right, const char* what) {
  if (right) return;
  printf("wrong: %s (errno %d)\n", what, errno);
  fflush(stdout);
}

// One call gets `action`, all others go on to the filters that were there before.
static long filter(int call, uint32_t action, unsigned flags) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof code[0], code};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static int exit_status(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// What a filter must leave alone: files, /proc, forks, threads, subprocesses.
static void* ordinary(void* unused) {
  int fd = open("/etc/passwd", O_RDONLY);
  check(fd >= 0 && close(fd) == 0, "an open");
  char link[32] = "";
  check(readlink("/proc/self", link, sizeof link - 1) > 0 && atoi(link) == getpid(), "/proc/self");
  for (int i = 0; i < 5; i++) {
    pid_t parent = getpid(), child = fork();
    if (child == 0) _exit(getppid() == parent && getpid() > 1 ? i : 99);
    check(exit_status(child) == i, "a child");
  }
  check(WEXITSTATUS(system("exit 3")) == 3, "a subprocess");
  return unused;
}

static void in_a_thread(const char* what) {
  pthread_t thread;
  char mark;
  void* result = NULL;
  check(pthread_create(&thread, NULL, ordinary, &mark) == 0, what);
  check(pthread_join(thread, &result) == 0 && result == &mark, what);
}

static struct { int signal, code, call, number; } trapped;

static void on_trap(int number, siginfo_t* info, void* context) {
  (void)context;
  trapped.signal = number;
  trapped.code = info->si_code;
  trapped.call = info->si_syscall;
  trapped.number = info->si_errno;
}

static void look_for_programs(void) {
  for (int i = 0; i < 20; i++) {
    check(execl("/nonexistent/x", "x", NULL) == -1 && errno == ENOENT, "a missing program");
  }
}

// Of calls that a program does not make, its filter need not know.
static void kills_for_what_is_not_made(void) {
  pid_t child = fork();
  if (child == 0) {
    const int not_made[] = {SYS_faccessat2, SYS_rt_sigpending, SYS_sched_yield};
    look_for_programs();
    for (int i = 0; i < 3; i++) {
      check(filter(not_made[i], SECCOMP_RET_KILL_PROCESS, 0) == 0, "a filter");
    }
    look_for_programs();
    signal(SIGALRM, SIG_DFL);
    in_a_thread("a thread");
    _exit(9);
  }
  check(exit_status(child) == 9, "calls that the program does not make");
}

static pthread_barrier_t barrier;

static void* refused_too(void* unused) {
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  check(mkdir("made", 0700) == -1 && errno == EDOM, "a filter for all threads");
  return unused;
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc > 1) {
    check(mkdir("made", 0700) == -1 && errno == EDOM, "a filter after exec");
    ordinary(NULL);
    printf("after exec: pid %d ppid %d\n", getpid(), getppid());
    return 12;
  }
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  kills_for_what_is_not_made();
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_t thread;
  check(pthread_create(&thread, NULL, refused_too, NULL) == 0, "a thread");
  pthread_barrier_wait(&barrier);
  check(filter(SYS_mkdir, SECCOMP_RET_ERRNO | EDOM, SECCOMP_FILTER_FLAG_TSYNC) == 0, "a filter");
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
  check(mkdir("made", 0700) == -1 && errno == EDOM, "a refused call");
  ordinary(NULL);
  in_a_thread("a thread");
  printf("errno\n");

  // Calls that mean processes: the program's own refusal counts, the others see no difference.
  check(filter(SYS_getpgid, SECCOMP_RET_ERRNO | EXDEV, 0) == 0, "a filter");
  check(getpgid(0) == -1 && errno == EXDEV && getpid() == 1, "a refused getpgid");
  check(filter(SYS_tkill, SECCOMP_RET_ERRNO | ENOSYS, 0) == 0, "a filter");
  check(syscall(SYS_tkill, getpid(), 0) == -1 && errno == ENOSYS, "a refused tkill");
  check(kill(getpid(), 0) == 0, "kill");
  check(filter(SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS, 0) == 0, "a filter");
  pid_t child = fork();
  if (child == 0) _exit(7);
  check(exit_status(child) == 7, "a fork");
  check(filter(SYS_getpgid, SECCOMP_RET_ALLOW, 0) == 0, "a filter");
  check(getpgid(0) == -1 && errno == EXDEV, "a filter that allows what another refuses");
  in_a_thread("a thread by clone, since clone3 is refused");
  printf("processes\n");

  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, NULL);
  check(filter(SYS_uname, SECCOMP_RET_TRAP | 77, 0) == 0, "a filter");
  struct utsname name;
  (void)uname(&name);
  check(trapped.signal == SIGSYS && trapped.code == 1 && trapped.call == SYS_uname &&
            trapped.number == 77,
        "a trapped call");
  child = fork();
  if (child == 0) {
    memset(&trapped, 0, sizeof trapped);
    (void)uname(&name);
    _exit(trapped.call == SYS_uname ? 8 : 9);
  }
  check(exit_status(child) == 8, "a child's trapped call");
  printf("trap\n");

  child = fork();
  if (child == 0) {
    check(filter(SYS_sync, SECCOMP_RET_KILL_PROCESS, 0) == 0, "a filter");
    if (fork() == 0) {
      (void)syscall(SYS_sync);
      _exit(1);
    }
    int status = 0;
    check(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "a killed child");
    (void)syscall(SYS_sync);
    _exit(1);
  }
  check(exit_status(child) == 128 + SIGSYS, "a killed process");
  printf("kill\n");

  fflush(stdout);
  child = vfork();
  if (child == 0) {
    execl("/proc/self/exe", argv[0], "exec", NULL);
    _exit(1);
  }
  check(exit_status(child) == 12, "exec");
  return 13;
}
