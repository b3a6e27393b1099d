// What a C library makes processes with, and the numbers that come out: posix_spawn, system, popen,
// daemon, vfork from threads, threads joined and detached, timers that make threads. Built against
// each libc in its turn; the output is the same.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static void check(int right, const char* what) {
  if (right) return;
  printf("wrong: %s (errno %d)\n", what, errno);
  fflush(stdout);
}

// The parent that ps tells of a process, -1 if it sees none.
static int parent_by_ps(pid_t pid) {
  char command[64];
  snprintf(command, sizeof command, "ps -o ppid= -p %d", pid);
  FILE* ps = popen(command, "r");
  int parent = -1;
  if (fscanf(ps, "%d", &parent) != 1) parent = -1;
  pclose(ps);
  return parent;
}

static int exit_status(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void spawns(void) {
  int line[2];
  check(pipe(line) == 0, "pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, line[1], 1);
  posix_spawn_file_actions_addclose(&actions, line[0]);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGUSR1);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  char* echo[] = {"sh", "-c", "echo $$ $PPID; read x; exit 6", NULL};
  pid_t child = -1;
  check(posix_spawnp(&child, "sh", &actions, &attributes, echo, environ) == 0, "posix_spawnp");
  close(line[1]);
  FILE* from = fdopen(line[0], "r");
  int pid = 0, ppid = 0;
  check(fscanf(from, "%d %d", &pid, &ppid) == 2, "a spawned child's line");
  check(pid == child && ppid == getpid(), "a spawned child's numbers");
  fclose(from);
  check(exit_status(child) == 6, "a spawned child's status");
  char* none[] = {"/nonexistent", NULL};
  check(posix_spawn(&child, none[0], NULL, NULL, none, environ) == ENOENT, "a failing posix_spawn");
  check(waitpid(-1, NULL, 0) == -1 && errno == ECHILD, "nothing left of a failing posix_spawn");

  char* sleeper[] = {"sleep", "1000", NULL};
  check(posix_spawnp(&child, "sleep", NULL, &attributes, sleeper, environ) == 0, "sleep");
  check(getpgid(child) == child, "a spawned group");
  check(parent_by_ps(child) == getpid(), "ps and a spawned child");
  check(kill(-child, SIGTERM) == 0 && exit_status(child) == 128 + SIGTERM, "the end of a group");
  check(kill(child, 0) == -1 && errno == ESRCH && parent_by_ps(child) == -1, "a number given back");
  printf("posix_spawn\n");
}

static void shells(void) {
  check(WEXITSTATUS(system("exit 5")) == 5, "system's status");
  int status = system("kill -KILL $$");
  check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "system's signal");
  char command[64];
  snprintf(command, sizeof command, "test $PPID = %d", getpid());
  check(system(command) == 0, "system's parent");
  FILE* in = popen("echo $PPID; exit 3", "r");
  int ppid = 0;
  check(fscanf(in, "%d", &ppid) == 1 && ppid == getpid(), "popen's parent");
  check(WEXITSTATUS(pclose(in)) == 3, "popen's status");
  FILE* out = popen("read a; test \"$a\" = $PPID", "w");
  fprintf(out, "%d\n", getpid());
  check(pclose(out) == 0, "popen for writing");
  printf("system popen\n");
}

static atomic_int right;

// A child that borrows the memory: what it writes, its parent sees.
static void* vforks(void* unused) {
  (void)unused;
  for (volatile int i = 0; i < 10; i++) {
    volatile pid_t pid = 0, tid = 0, ppid = 0;
    pid_t child = vfork();
    if (child == 0) {
      pid = getpid();
      tid = (pid_t)syscall(SYS_gettid);
      ppid = getppid();
      if (i % 2) _exit(i);
      execl("/bin/sh", "sh", "-c", "exit $(($# + $1))", "sh", (char[]){(char)('0' + i), 0}, NULL);
      _exit(99);
    }
    int status = exit_status(child);
    if (pid == child && tid == child && ppid == getpid() && status == (i % 2 ? i : i + 1)) right++;
  }
  return NULL;
}

static atomic_int spinning;

static void* spin(void* unused) {
  (void)unused;
  while (atomic_load(&spinning)) (void)!getppid();
  return NULL;
}

static void vforks_of_threads(void) {
  pthread_t threads[6], other;
  atomic_store(&spinning, 1);
  check(pthread_create(&other, NULL, spin, NULL) == 0, "a thread");
  for (int i = 0; i < 6; i++)
    check(pthread_create(&threads[i], NULL, vforks, NULL) == 0, "a thread");
  for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
  atomic_store(&spinning, 0);
  pthread_join(other, NULL);
  printf("vfork from threads %d\n", right);
}

static sem_t ended;
static atomic_int numbers;

static void* short_lived(void* unused) {
  pid_t tid = (pid_t)syscall(SYS_gettid);
  if (tid > getpid() && syscall(SYS_tgkill, getpid(), tid, 0) == 0) numbers++;
  if (unused == NULL) sem_post(&ended);
  return unused;
}

static void threads_that_end(void) {
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&detached, 64 * 1024);
  sem_init(&ended, 0, 0);
  for (int i = 0; i < 200; i++) {
    pthread_t thread;
    if (i % 2) {
      check(pthread_create(&thread, &detached, short_lived, NULL) == 0, "a detached thread");
      while (sem_wait(&ended) != 0) continue;
    } else {
      void* result = NULL;
      check(pthread_create(&thread, NULL, short_lived, &ended) == 0, "a thread");
      check(pthread_join(thread, &result) == 0 && result == &ended, "a join");
    }
  }
  printf("threads %d\n", numbers);
}

static atomic_int fired;

static void on_timer(union sigval value) {
  if (value.sival_int == 17 && getpid() != (pid_t)syscall(SYS_gettid)) fired++;
  sem_post(&ended);
}

static void timers(void) {
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_value.sival_int = 17;
  event.sigev_notify_function = on_timer;
  timer_t timer;
  check(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
  struct itimerspec times = {{0, 2000000}, {0, 2000000}};
  check(timer_settime(timer, 0, &times, NULL) == 0, "timer_settime");
  for (int i = 0; i < 5; i++)
    while (sem_wait(&ended) != 0) continue;
  check(timer_delete(timer) == 0, "timer_delete");
  check(fired >= 5, "timers in threads");
  printf("timers\n");
}

static siginfo_t last[SIGCHLD + 1];

static void on_signal(int number, siginfo_t* info, void* context) {
  (void)context;
  last[number] = *info;
}

// Children that send: by kill, by sigqueue, and by ending.
static void senders(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGCHLD, &action, NULL);
  pid_t child = fork();
  if (child == 0) {
    kill(getppid(), SIGUSR1);
    _exit(4);
  }
  check(exit_status(child) == 4, "a sender's status");
  check(last[SIGUSR1].si_pid == child && last[SIGUSR1].si_code == SI_USER, "kill's sender");
  check(last[SIGCHLD].si_pid == child && last[SIGCHLD].si_status == 4, "the child that ended");
  child = fork();
  if (child == 0) {
    sigqueue(getppid(), SIGUSR1, (union sigval){.sival_int = 42});
    _exit(5);
  }
  check(exit_status(child) == 5, "a sender's status");
  check(last[SIGUSR1].si_pid == child && last[SIGUSR1].si_code == SI_QUEUE, "sigqueue's sender");
  check(last[SIGUSR1].si_value.sival_int == 42, "sigqueue's value");

  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  child = fork();
  if (child == 0) _exit(6);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  check(sigwaitinfo(&blocked, &info) == SIGCHLD && info.si_pid == child, "sigwaitinfo's sender");
  memset(&info, 0, sizeof info);
  check(waitid(P_PID, (id_t)child, &info, WEXITED) == 0 && info.si_pid == child, "waitid's child");
  sigprocmask(SIG_UNBLOCK, &blocked, NULL);
  signal(SIGCHLD, SIG_DFL);
  signal(SIGUSR1, SIG_DFL);
  printf("signals\n");
}

// A daemon tells by a pipe what it sees once its parent has gone.
static void daemons(void) {
  int line[2];
  check(pipe(line) == 0, "pipe");
  pid_t child = fork();
  if (child == 0) {
    if (daemon(0, 1) != 0) _exit(1);
    close(line[0]);
    while (getppid() != 1) usleep(1000);
    char directory[8] = "";
    int root = getcwd(directory, sizeof directory) != NULL && strcmp(directory, "/") == 0;
    dprintf(line[1], "%d %d %d %d", getpid(), getsid(0), getppid(), root);
    _exit(0);
  }
  close(line[1]);
  check(exit_status(child) == 0, "daemon");
  FILE* from = fdopen(line[0], "r");
  int pid = 0, sid = 0, ppid = 0, root = 0;
  check(fscanf(from, "%d %d %d %d", &pid, &sid, &ppid, &root) == 4, "a daemon's line");
  // glibc's forks once, and the daemon leads its session; musl's forks again.
  check(sid > child && pid >= sid && ppid == 1 && root, "a daemon's numbers");
  fclose(from);
  printf("daemon\n");
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("pid %d ppid %d\n", getpid(), getppid());
  spawns();
  shells();
  vforks_of_threads();
  threads_that_end();
  timers();
  senders();
  daemons();
  if (argc > 1) execvp(argv[1], argv + 1);
  return 11;
}
