// timeout: 60
// Eight threads run through the same system-call instructions at the same time, from the first time
// on, while the main thread forks children that do so too: nobody may ever meet half an
// instruction, or somebody else's answer.
#include <dirent.h>
#include <pthread.h>

#include "harness.h"
#include "sites.h"

static constexpr int kThreads = 8;
static int wrong;
static pthread_barrier_t barrier;

static void expect(bool right) {
  if (!right) __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
}

// Each index is a set of instructions that nobody has run before.
template <int kIndex>
static void own_sites(int pid, int tid) {
  struct stat st;
  char text[64];
  for (int i = 0; i < 15; i++) {
    expect(site<kIndex, SYS_getpid>() == pid);
    expect(site<kIndex, SYS_gettid>() == tid);
    memset(text, 0, sizeof text);
    expect(site<kIndex, SYS_readlink>(arg("/proc/self"), arg(text), sizeof text) > 0);
    expect(atoi(text) == pid);
    expect(site<kIndex, SYS_stat>(arg("/etc/passwd"), arg(&st)) == 0 && S_ISREG(st.st_mode));
    expect(site<kIndex, SYS_access>(arg("/proc/self/nonexistent"), F_OK) == -ENOENT);
    expect(site<kIndex, SYS_access>(arg("/nonexistent"), F_OK) == -ENOENT);
    expect(site<kIndex, SYS_access>(0x123456789000, F_OK) == -EFAULT);
    const long fd = site<kIndex, SYS_openat>(AT_FDCWD, arg("/etc/passwd"), O_RDONLY);
    expect(fd >= 0 && read(static_cast<int>(fd), text, 4) == 4 && memcmp(text, "root", 4) == 0);
    expect(close(static_cast<int>(fd)) == 0);
  }
}

// The C library's, each of which all processes here share until somebody changes it.
static void libc_sites(int pid, int tid) {
  struct stat st;
  char text[64] = {};
  expect(getpid() == pid);
  expect(gettid() == tid);
  int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  expect(fd >= 0 && fstat(fd, &st) == 0 && close(fd) == 0);
  fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  expect(fd >= 0 && read(fd, text, sizeof text - 1) > 0 && atoi(text) == pid && close(fd) == 0);
  expect(stat("/usr", &st) == 0 && S_ISDIR(st.st_mode));
  expect(lstat("/proc/self", &st) == 0 && S_ISLNK(st.st_mode));
  expect(access("/etc/passwd", R_OK) == 0);
  expect(access("/nonexistent", R_OK) == -1 && errno == ENOENT);
  memset(text, 0, sizeof text);
  expect(readlink("/proc/self", text, sizeof text - 1) > 0 && atoi(text) == pid);
  expect(readlink("/etc", text, sizeof text) == -1 && errno == EINVAL);
  expect(getcwd(text, sizeof text) != nullptr && strcmp(text, "/") == 0);
  DIR* directory = opendir("/");
  bool has_usr = false;
  while (dirent* entry = readdir(directory)) has_usr |= strcmp(entry->d_name, "usr") == 0;
  expect(has_usr);
  closedir(directory);
}

template <int... kIndices>
static void round_of(std::integer_sequence<int, kIndices...>, int round, int pid, int tid) {
  ((kIndices == round ? own_sites<kIndices>(pid, tid) : void()), ...);
}

static constexpr int kRounds = 16;  // more than there is room for in the end

static void one_round(int round) {
  const int pid = static_cast<int>(raw(SYS_getpid)), tid = static_cast<int>(raw(SYS_gettid));
  round_of(std::make_integer_sequence<int, kRounds>(), round, pid, tid);
  libc_sites(pid, tid);
}

// What a child found wrong.
static int child_of_round(int round) {
  wrong = 0;
  one_round(round);
  one_round((round + 1) % kRounds);
  return wrong > 100 ? 100 : wrong;
}

static void* run_rounds(void*) {
  for (int round = 0; round < kRounds; round++) {
    pthread_barrier_wait(&barrier);
    one_round(round);
  }
  return nullptr;
}

int main() {
  return below_init([] {
    MUST(chdir("/"));
    pthread_barrier_init(&barrier, nullptr, kThreads + 1);
    pthread_t threads[kThreads];
    for (pthread_t& thread : threads) pthread_create(&thread, nullptr, run_rounds, nullptr);
    int children_wrong = 0, children = 0;
    for (int round = 0; round < kRounds; round++) {
      pthread_barrier_wait(&barrier);
      for (int i = 0; i < 3; i++) {
        pid_t pid = spawn([&] { return child_of_round(round); });
        int status;
        if (waitpid(pid, &status, 0) == pid && WIFEXITED(status)) children++;
        children_wrong += status;
      }
    }
    for (pthread_t thread : threads) pthread_join(thread, nullptr);
    say("wrong %d", wrong);
    say("children %d wrong %d", children, children_wrong);
    one_round(0);
    say("alone again, wrong %d", wrong);
    in_child("next", [] { say("wrong %d", child_of_round(3)); });
  });
}
