// What every program of the differential suite shares: printing that survives fork, names for
// errnos, signals and wait statuses, children and one-byte pipes to order them.
//
// A program prints the same bytes each time it runs as the first process of a fresh PID namespace.
// So it prints numbers of its own namespace only, never times, host numbers or addresses, and it
// orders its processes with pipes and waits, never with sleeps.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

// Headers of Debian 12 know these; the fallbacks serve older ones.
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_NEWPID
#define CLONE_NEWPID 0x20000000
#endif
#ifndef P_PIDFD
#define P_PIDFD static_cast<idtype_t>(3)
#endif

// One line, one write(2): no buffer that a fork could copy, and no torn lines.
__attribute__((format(printf, 1, 2))) inline void say(const char* format, ...) {
  char line[4096];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line - 1, format, args);
  va_end(args);
  if (length > static_cast<int>(sizeof line) - 2) length = sizeof line - 2;
  line[length++] = '\n';
  if (write(1, line, static_cast<size_t>(length)) != length) _exit(99);
}

inline const char* errno_name(int e) {
  const char* name = strerrorname_np(e);
  return name != nullptr ? name : "E?";
}

inline std::string signal_name(int sig) {
  if (sig >= SIGRTMIN && sig <= SIGRTMAX) return "RTMIN+" + std::to_string(sig - SIGRTMIN);
  const char* name = sigabbrev_np(sig);
  return name != nullptr ? name : std::to_string(sig);
}

inline std::string status_text(int status) {
  if (WIFEXITED(status)) return "exited " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return "killed by " + signal_name(WTERMSIG(status));
  if (WIFSTOPPED(status)) return "stopped by " + signal_name(WSTOPSIG(status));
  if (WIFCONTINUED(status)) return "continued";
  return "status " + std::to_string(status);
}

inline const char* chld_code(int code) {
  switch (code) {
    case CLD_EXITED:
      return "CLD_EXITED";
    case CLD_KILLED:
      return "CLD_KILLED";
    case CLD_DUMPED:
      return "CLD_DUMPED";
    case CLD_STOPPED:
      return "CLD_STOPPED";
    case CLD_CONTINUED:
      return "CLD_CONTINUED";
    case CLD_TRAPPED:
      return "CLD_TRAPPED";
    default:
      return "CLD_?";
  }
}

inline const char* si_code_text(int code) {
  switch (code) {
    case SI_USER:
      return "SI_USER";
    case SI_QUEUE:
      return "SI_QUEUE";
    case SI_TKILL:
      return "SI_TKILL";
    case SI_TIMER:
      return "SI_TIMER";
    case SI_KERNEL:
      return "SI_KERNEL";
    case SI_MESGQ:
      return "SI_MESGQ";
    default:
      return "SI_?";
  }
}

// Prints the expression with its value, or with the name of the errno.
#define SHOW(expr)                                 \
  do {                                             \
    errno = 0;                                     \
    long show_value_ = static_cast<long>(expr);    \
    if (show_value_ == -1)                         \
      say("%s = -1 %s", #expr, errno_name(errno)); \
    else                                           \
      say("%s = %ld", #expr, show_value_);         \
  } while (0)

// For steps that are not what the test is about: says what failed, and ends the program.
#define MUST(expr)                                                                 \
  ([&] {                                                                           \
    auto must_value_ = (expr);                                                     \
    if (must_value_ == static_cast<decltype(must_value_)>(-1)) {                   \
      say("MUST %s:%d %s: %s", __FILE_NAME__, __LINE__, #expr, errno_name(errno)); \
      _exit(98);                                                                   \
    }                                                                              \
    return must_value_;                                                            \
  }())
#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif

// A child that runs f and exits 0, or with f's int.
template <typename F>
pid_t spawn(F f) {
  pid_t pid = fork();
  if (pid == 0) {
    if constexpr (std::is_void_v<decltype(f())>) {
      f();
      _exit(0);
    } else {
      _exit(f());
    }
  }
  if (pid < 0) {
    say("spawn: %s", errno_name(errno));
    _exit(98);
  }
  return pid;
}

// Waits for one child; "-1 ECHILD" and the like where there is none.
inline std::string reap(pid_t pid, int options = 0) {
  int status = 0;
  pid_t got = waitpid(pid, &status, options);
  if (got < 0) return std::string("-1 ") + errno_name(errno);
  if (got == 0) return "0";
  return std::to_string(got) + " " + status_text(status);
}

// Runs f in a child and says how that ended.
template <typename F>
void in_child(const char* what, F f) {
  pid_t pid = spawn(f);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) MUST(-1);
  say("%s: child %d %s", what, pid, status_text(status).c_str());
}

// One-byte messages that put processes in order.
struct Gate {
  int fds[2];
  Gate() { MUST(pipe(fds)); }
  void open() { MUST(write(fds[1], "x", 1)); }
  // False when every other holder of the gate is gone without opening it.
  bool pass() {
    char c;
    ssize_t n;
    while ((n = read(fds[0], &c, 1)) < 0 && errno == EINTR) {
    }
    return n == 1;
  }
  void close_writer() { close(fds[1]); }
  void close_both() {
    close(fds[0]);
    close(fds[1]);
  }
};

inline void send_int(int fd, int value) { MUST(write(fd, &value, sizeof value)); }
inline int receive_int(int fd) {
  int value = -12345;
  ssize_t n;
  while ((n = read(fd, &value, sizeof value)) < 0 && errno == EINTR) {
  }
  return n == sizeof value ? value : -12345;
}

inline long raw(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  return syscall(nr, a, b, c, d, e, f);
}

template <typename T>
long arg(T* p) {
  return reinterpret_cast<long>(p);
}

inline std::string slurp(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::string("(") + errno_name(errno) + ")";
  std::string text;
  char buffer[4096];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(n));
  if (n < 0) text += std::string("(") + errno_name(errno) + ")";
  close(fd);
  return text;
}

// The line "Key:\tvalue" of a status file, without its key, tabs as blanks.
inline std::string status_field(const std::string& path, const std::string& key) {
  std::string text = slurp(path);
  if (!text.empty() && text[0] == '(') return text;
  text.insert(0, 1, '\n');
  size_t at = text.find("\n" + key + ":");
  if (at == std::string::npos) return "(none)";
  at += key.size() + 2;
  std::string value = text.substr(at, text.find('\n', at) - at);
  for (char& c : value)
    if (c == '\t') c = ' ';
  return value.substr(
      value.find_first_not_of(' ') == std::string::npos ? 0 : value.find_first_not_of(' '));
}

// Field number n (from 1, as proc(5) counts) of a stat file whose command holds no blank.
inline std::string stat_field(const std::string& path, int n) {
  std::string text = slurp(path);
  if (!text.empty() && text[0] == '(') return text;
  size_t at = 0;
  for (int i = 1; i < n; i++) {
    at = text.find(' ', at);
    if (at == std::string::npos) return "(none)";
    at++;
  }
  return text.substr(at, text.find_first_of(" \n", at) - at);
}

// Waits, without a sleep that could be too short, until a process is in one of the given states.
inline void until_state(pid_t pid, const char* states) {
  for (;;) {
    std::string s = stat_field("/proc/" + std::to_string(pid) + "/stat", 3);
    if (s.size() == 1 && strchr(states, s[0]) != nullptr) return;
    if (s[0] == '(') return;
    sched_yield();
  }
}

template <typename Handler>
void on_signal(int sig, Handler handler, int flags = 0) {
  struct sigaction action = {};
  if constexpr (std::is_convertible_v<Handler, void (*)(int, siginfo_t*, void*)> &&
                !std::is_convertible_v<Handler, void (*)(int)>) {
    action.sa_sigaction = handler;
    flags |= SA_SIGINFO;
  } else {
    action.sa_handler = handler;
  }
  action.sa_flags = flags;
  MUST(sigaction(sig, &action, nullptr));
}

inline sigset_t signal_set(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int sig : signals) sigaddset(&set, sig);
  return set;
}

inline void block(std::initializer_list<int> signals) {
  sigset_t set = signal_set(signals);
  MUST(sigprocmask(SIG_BLOCK, &set, nullptr));
}

// Runs the test as pid 2 below an init that does nothing but reap, for what an init cannot show.
template <typename F>
int below_init(F f) {
  pid_t child = fork();
  if (child == 0) {
    f();
    _exit(0);
  }
  for (;;) {
    int status;
    pid_t pid = wait(&status);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) return 97;
    if (pid == child) {
      if (WIFSIGNALED(status))
        say("the test was killed by %s", signal_name(WTERMSIG(status)).c_str());
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
}
