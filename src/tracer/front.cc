#include "tracer/front.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

namespace warren {

namespace {

struct Message {
  enum Kind : int { kStarted, kStopped, kEnded } kind;
  int value;         // kStarted: host number of process 1; kEnded: exit status
  char error[1024];  // kEnded
};

void send_message(int socket, const Message& message) {
  send(socket, &message, sizeof message, MSG_NOSIGNAL);
}

}  // namespace

void FrontLine::started(pid_t init) const {
  send_message(socket_.get(), {Message::kStarted, init, {}});
}

void FrontLine::stopped() const { send_message(socket_.get(), {Message::kStopped, 0, {}}); }

void FrontLine::ended(int exit_status, const std::string& error) const {
  Message message{Message::kEnded, exit_status, {}};
  error.copy(message.error, sizeof message.error - 1);
  send_message(socket_.get(), message);
}

void FrontLine::wait_until_closed() const {
  char byte;
  while (recv(socket_.get(), &byte, 1, 0) < 0 && errno == EINTR) {
  }
}

void FrontLine::shut_down() const { shutdown(socket_.get(), SHUT_RD); }

namespace {

// Signals that stop the front by itself, as the shell expects, together with the guests in its
// process group.
sigset_t signals_to_take() {
  sigset_t set;
  sigfillset(&set);
  for (int signal : {SIGTSTP, SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    sigdelset(&set, signal);
  }
  return set;
}

void pass_on(const signalfd_siginfo& info, pid_t init) {
  const auto signal = static_cast<int>(info.ssi_signo);
  if (signal == SIGCHLD || init <= 0) return;
  // The terminal has sent it to the guests of the foreground process group itself.
  if (info.ssi_code == SI_KERNEL) return;
  kill(init, signal);
}

void wait_for(pid_t child) {
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

control::RunOutcome stand_in_front(UniqueFd socket, pid_t child, bool ends_descendants,
                                   const std::function<void()>& on_started) {
  std::optional<OutlivedChild> outlived;
  if (ends_descendants) outlived.emplace(child);
  const sigset_t set = signals_to_take();
  sigset_t before;
  sigprocmask(SIG_SETMASK, &set, &before);
  const UniqueFd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  control::RunOutcome outcome{
      125, "run: supervisor: it was killed; everything in the container has ended with it"};
  pid_t init = 0;
  bool open = true;
  while (open) {
    pollfd fds[2] = {{socket.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[0].revents) {
      Message message;
      const ssize_t n = recv(socket.get(), &message, sizeof message, 0);
      if (n != sizeof message) {
        open = false;
      } else if (message.kind == Message::kStarted) {
        init = message.value;
        if (on_started) on_started();
      } else if (message.kind == Message::kStopped) {
        raise(SIGSTOP);
      } else {
        outcome.exit_status = message.value;
        outcome.error = message.error;
        init = 0;
      }
    }
    signalfd_siginfo info;
    while (read(signals.get(), &info, sizeof info) == sizeof info) pass_on(info, init);
  }
  if (!outlived) {
    wait_for(child);
  } else if (std::string problem = outlive(*outlived); !problem.empty()) {
    outcome.error = std::move(problem);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return outcome;
}

std::string outlive(const OutlivedChild& child) {
  child.wait();
  const auto ended = end_descendants();
  if (ended) return "";
  return std::string("run: supervisor: it was killed, and some of the container may be left: ") +
         std::strerror(ended.error_code());
}

}  // namespace warren
