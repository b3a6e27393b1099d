// A pool of threads that do nothing but calls: files made, written, read, renamed and removed,
// directories and /proc listed, pipes from thread to thread, subprocesses in between, while signals
// interrupt them all. Whatever a call loses, the sums at the end lack.
#define _GNU_SOURCE
#include <aio.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kThreads = 16, kRounds = 60, kBlock = 8192 };

static atomic_int wrong, files, children, signals_taken, own_numbers, stop;
static int pipes[kThreads][2];
static long long passed[kThreads];
static pthread_barrier_t all_done;

static void fail(const char* what) {
  if (atomic_fetch_add(&wrong, 1) < 10) fprintf(stderr, "wrong: %s (errno %d)\n", what, errno);
}

static void on_signal(int number) {
  int kept = errno;
  if (number == SIGUSR1) signals_taken++;
  errno = kept;
}

static void file_round(int thread, int round) {
  char name[64], other[64], block[kBlock], back[kBlock];
  snprintf(name, sizeof name, "f%d.%d", thread, round);
  snprintf(other, sizeof other, "g%d.%d", thread, round);
  memset(block, 'a' + (thread + round) % 26, sizeof block);
  int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd < 0) return fail("open");
  for (int i = 0; i < 4; i++)
    if (pwrite(fd, block, sizeof block, (off_t)i * kBlock) != kBlock) fail("pwrite");
  struct stat about;
  if (fstat(fd, &about) != 0 || about.st_size != 4 * kBlock) fail("fstat");
  if (rename(name, other) != 0) fail("rename");
  if (pread(fd, back, sizeof back, 2 * kBlock) != kBlock || memcmp(block, back, kBlock) != 0)
    fail("pread");
  close(fd);
  if (stat(name, &about) != -1 || errno != ENOENT) fail("stat of what is gone");
  if (stat(other, &about) != 0 || unlink(other) != 0) fail("unlink");
  files++;
}

// The thread as /proc shows it: by its number, by a name, and among the others.
static void proc_round(void) {
  long tid = syscall(SYS_gettid);
  char name[64], link[64] = "", want[64];
  snprintf(want, sizeof want, "%d/task/%ld", getpid(), tid);
  if (readlink("/proc/thread-self", link, sizeof link - 1) < 0 || strcmp(link, want) != 0)
    fail("thread-self");
  snprintf(name, sizeof name, "/proc/self/task/%ld/stat", tid);
  FILE* stat = fopen(name, "r");
  long seen = 0;
  if (stat == NULL || fscanf(stat, "%ld", &seen) != 1 || seen != tid) fail("a thread's stat");
  if (stat != NULL) fclose(stat);
  DIR* tasks = opendir("/proc/self/task");
  int found = 0;
  for (struct dirent* entry; tasks != NULL && (entry = readdir(tasks)) != NULL;)
    found |= atol(entry->d_name) == tid;
  if (tasks != NULL) closedir(tasks);
  if (found) own_numbers++;
}

static void child_round(int status) {
  pid_t child = fork();
  if (child == 0) _exit(status);
  int result = 0;
  pid_t ended;
  do ended = waitpid(child, &result, 0);
  while (ended == -1 && errno == EINTR);
  if (ended != child || !WIFEXITED(result) || WEXITSTATUS(result) != status) fail("a child");
  children++;
}

static void* worker(void* argument) {
  int thread = (int)(long)argument;
  for (int round = 0; round < kRounds; round++) {
    file_round(thread, round);
    if (round % 4 == 0) proc_round();
    if (round % 10 == 0) child_round(round);
    // To the next thread of the ring, and from the one before.
    int out[16], in[16];
    for (int i = 0; i < 16; i++) out[i] = thread * round + i;
    if (write(pipes[(thread + 1) % kThreads][1], out, sizeof out) != sizeof out) fail("write");
    for (size_t have = 0; have < sizeof in;) {
      ssize_t got = read(pipes[thread][0], (char*)in + have, sizeof in - have);
      if (got <= 0) {
        fail("read");
        break;
      }
      have += (size_t)got;
    }
    for (int i = 0; i < 16; i++) passed[thread] += in[i];
  }
  pthread_barrier_wait(&all_done);
  return NULL;
}

static pthread_t workers[kThreads];

static void* pester(void* unused) {
  for (unsigned i = 0; !atomic_load(&stop); i++) {
    pthread_kill(workers[i % kThreads], SIGUSR1);
    usleep(200);
  }
  return unused;
}

#ifdef __GLIBC__
// Requests that the libc serves by threads of its own, and tells of by signals that it queues.
static volatile sig_atomic_t told_by;
static sem_t told;

static void on_done(int number, siginfo_t* info, void* context) {
  (void)number, (void)context;
  if (info->si_code == SI_ASYNCIO) told_by = info->si_pid;
  sem_post(&told);
}

static void asynchronous(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_done;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGUSR2, &action, NULL);
  sem_init(&told, 0, 0);
  int fd = open("asynchronous", O_RDWR | O_CREAT, 0600);
  struct aiocb requests[8];
  struct aiocb* list[8];
  memset(requests, 0, sizeof requests);
  for (int i = 0; i < 8; i++) {
    requests[i].aio_fildes = fd;
    requests[i].aio_buf = "12345678";
    requests[i].aio_nbytes = 8;
    requests[i].aio_offset = i * 8;
    requests[i].aio_lio_opcode = LIO_WRITE;
    list[i] = &requests[i];
  }
  requests[7].aio_sigevent.sigev_notify = SIGEV_SIGNAL;
  requests[7].aio_sigevent.sigev_signo = SIGUSR2;
  if (lio_listio(LIO_WAIT, list, 8, NULL) != 0) fail("lio_listio");
  while (sem_wait(&told) != 0) continue;
  struct stat about;
  if (fstat(fd, &about) != 0 || about.st_size != 64) fail("asynchronous writes");
  if (told_by != getpid()) fail("the sender of a request's signal");
  close(fd);
  unlink("asynchronous");
}
#else
static void asynchronous(void) {}
#endif

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, NULL);
  pthread_barrier_init(&all_done, NULL, kThreads + 1);
  pthread_t tormentor;
  for (int i = 0; i < kThreads; i++)
    if (pipe(pipes[i]) != 0) return 1;
  for (long i = 0; i < kThreads; i++)
    if (pthread_create(&workers[i], NULL, worker, (void*)i) != 0) return 1;
  if (pthread_create(&tormentor, NULL, pester, NULL) != 0) return 1;
  pthread_barrier_wait(&all_done);
  atomic_store(&stop, 1);
  pthread_join(tormentor, NULL);
  long long sum = 0, want = 0;
  for (int i = 0; i < kThreads; i++) {
    pthread_join(workers[i], NULL);
    sum += passed[i];
    for (int round = 0; round < kRounds; round++)
      for (int k = 0; k < 16; k++) want += i * round + k;
  }
  asynchronous();
  printf("wrong %d\nfiles %d\nchildren %d\nnumbers %d\npassed on %d\nsignals %d\n", wrong, files,
         children, own_numbers, sum == want, signals_taken > 100);
  return 14;
}
