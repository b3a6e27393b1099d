#include "tracer/guest_start.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "control/exec_program.h"
#include "tracer/original_limits.h"
#include "tracer/seccomp_filter.h"

namespace warren {

namespace {

// Not in the C library's headers of all supported hosts.
constexpr long kLandlockCreateRuleset = 444;
constexpr long kLandlockRestrictSelf = 446;

// One byte tells the child to go on; its answers come with the listener where there is one.
struct Answer {
  int error = 0;
  bool scoped = false;
};

bool wait_for_go(int channel) {
  char go;
  return read(channel, &go, 1) == 1;
}

bool tell_go(int channel) { return send(channel, "g", 1, MSG_NOSIGNAL) == 1; }

bool send_answer(int channel, Answer answer, int fd) {
  iovec data{&answer, sizeof answer};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return sendmsg(channel, &message, MSG_NOSIGNAL) == sizeof answer;
}

// False: the child ended without a word.
bool receive_answer(int channel, int flags, Answer* answer, UniqueFd* fd) {
  iovec data{answer, sizeof *answer};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n;
  do {
    n = recvmsg(channel, &message, MSG_CMSG_CLOEXEC | flags);
  } while (n < 0 && errno == EINTR);
  if (n != sizeof *answer) return false;
  if (cmsghdr* header = CMSG_FIRSTHDR(&message)) {
    int received;
    std::memcpy(&received, CMSG_DATA(header), sizeof received);
    if (fd) fd->reset(received);
  }
  return true;
}

// Everything that the child needs, made before the fork.
struct Prepared {
  const GuestProgram* program;
  std::vector<char*> argv, shell_argv, envp;
  const std::vector<sock_filter>* filter;
  bool init, landlock;
};

int take_place(const GuestProgram& program) {
  if (program.own_session && setsid() < 0) return errno;
  if (program.replace_stdio) {
    for (int i = 0; i < 3; ++i) {
      const int fd = program.stdio[static_cast<std::size_t>(i)];
      if (fd < 0) {
        close(i);
      } else if (dup2(fd, i) < 0) {
        return errno;
      }
    }
  }
  if (program.controlling_terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) return errno;
  if (!program.cwd.empty() && chdir(program.cwd.c_str()) != 0) return errno;
  if (program.umask >= 0) umask(static_cast<mode_t>(program.umask));
  return 0;
}

// Puts the container into a Landlock domain of its own that restricts signals alone (Linux 6.12).
// What matters is what every domain brings: its members can trace, and so open the memory,
// environment and maps of, nobody outside. A guest that finds the host's /proc by a link of its own
// gains nothing then. Files and mounts stay as they are. Where the host cannot,
// docs/threat_model.md says what remains.
bool enter_landlock_scope() {
  struct {
    std::uint64_t handled_access_fs, handled_access_net, scoped;
  } attributes{0, 0, 2 /* LANDLOCK_SCOPE_SIGNAL */};
  const long ruleset = syscall(kLandlockCreateRuleset, &attributes, sizeof attributes, 0);
  if (ruleset < 0) return false;
  const bool entered = syscall(kLandlockRestrictSelf, ruleset, 0) == 0;
  close(static_cast<int>(ruleset));
  return entered;
}

void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action;
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) {
      std::signal(signal, SIG_DFL);
    }
  }
}

[[noreturn]] void child_main(const Prepared& prepared, int channel) {
  // Away from the low numbers, which are the guest's.
  const int moved = fcntl(channel, F_DUPFD_CLOEXEC, 512);
  if (moved >= 0) {
    close(channel);
    channel = moved;
  }
  if (!wait_for_go(channel)) _exit(125);
  int error = take_place(*prepared.program);
  if (error == 0 && prepared.init && prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) error = errno;
  if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) error = errno;
  if (error != 0) {
    send_answer(channel, {error}, -1);
    _exit(125);
  }
  const bool scoped = prepared.landlock && enter_landlock_scope();
  reset_signals();
  restore_original_limits();
  const auto listener = install_seccomp_filter(*prepared.filter);
  if (!send_answer(channel, {listener.error_code(), scoped}, listener ? *listener : -1) ||
      !listener) {
    _exit(125);
  }
  close(*listener);
  if (!wait_for_go(channel)) _exit(125);
  set_original_signal_mask();
  error = control::exec_program(prepared.program->program.c_str(), prepared.argv.data(),
                                prepared.shell_argv.data(), prepared.envp.data());
  send_answer(channel, {error}, -1);
  _exit(control::exec_exit_status(error));
}

}  // namespace

Result<GuestStart> GuestStart::begin(const GuestProgram& program,
                                     const std::vector<sock_filter>& filter, bool init,
                                     bool landlock) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return Errno{errno};
  UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  Prepared prepared{.program = &program,
                    .argv = control::make_argv(program.argv),
                    .shell_argv = control::make_shell_argv(program.program, program.argv),
                    .envp = control::make_argv(program.env),
                    .filter = &filter,
                    .init = init,
                    .landlock = landlock};
  const pid_t pid = fork();
  if (pid < 0) return Errno{errno};
  if (pid == 0) {
    close(ours.release());
    child_main(prepared, theirs.release());
  }
  return GuestStart(pid, std::move(ours));
}

Result<UniqueFd> GuestStart::install_filter() {
  Answer answer;
  UniqueFd listener;
  if (!tell_go(channel_.get()) || !receive_answer(channel_.get(), 0, &answer, &listener)) {
    return Errno{ESRCH};
  }
  if (answer.error != 0) return Errno{answer.error};
  scoped_ = answer.scoped;
  return listener;
}

void GuestStart::exec() { tell_go(channel_.get()); }

int GuestStart::exec_error(bool wait) {
  Answer answer;
  if (!receive_answer(channel_.get(), wait ? 0 : MSG_DONTWAIT, &answer, nullptr)) return 0;
  return answer.error;
}

}  // namespace warren
