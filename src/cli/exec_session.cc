#include "cli/exec_session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <optional>

#include "cli/containers.h"
#include "cli/output.h"
#include "cli/pty_relay.h"
#include "cli/report.h"
#include "cli/signal_relay.h"
#include "control/exec_program.h"

namespace warren::cli {
namespace {

// What people and programs send to ask a command to end, reload or report. SIGTSTP stops this
// command alone, as it would any.
constexpr int kPassedOn[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT};

class ExecSession {
 public:
  ExecSession(control::Client& client, const control::ExecCommand& command, std::string target,
              PtyRelay* relay)
      : client_(client), command_(command), target_(std::move(target)), relay_(relay) {}

  // Before the start, so that no signal is lost.
  Result<void> watch_signals();
  int run();

 private:
  // The exit status, once known.
  std::optional<int> on_socket();
  void on_signal();

  control::Client& client_;
  const control::ExecCommand& command_;
  const std::string target_;
  PtyRelay* const relay_;  // null without a terminal
  UniqueFd signals_;
};

Result<void> ExecSession::watch_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kPassedOn) sigaddset(&set, signal);
  if (relay_ != nullptr) sigaddset(&set, SIGWINCH);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return Errno{errno};
  return {};
}

std::optional<int> ExecSession::on_socket() {
  auto end = client_.receive_end();
  if (!end) return report(refused("exec", target_, {end.error_code(), ""}));
  if (!*end) return std::nullopt;
  if ((*end)->exec_errno != 0) {
    int error = (*end)->exec_errno;
    return report({"exec", command_.argv[0], error, "", control::exec_exit_status(error)});
  }
  return exit_status_of((*end)->wait_status);
}

void ExecSession::on_signal() {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGWINCH) {
      relay_->resize();
    } else {
      // If this fails the supervisor is gone, which the socket tells.
      [[maybe_unused]] auto sent = client_.signal_exec(signal);
    }
  }
}

int ExecSession::run() {
  std::optional<int> status;
  // The end may have come with the reply; then the socket will not become readable again.
  while (!(status = on_socket())) {
    pollfd polled[4] = {{client_.socket(), POLLIN, 0}, {signals_.get(), POLLIN, 0}, {-1}, {-1}};
    if (relay_ != nullptr) relay_->prepare(polled[2], polled[3]);
    if (poll(polled, 4, -1) < 0) continue;
    if (polled[1].revents != 0) on_signal();
    if (relay_ != nullptr) relay_->serve(polled[2], polled[3]);
  }
  if (relay_ != nullptr) relay_->drain();
  return *status;
}

}  // namespace

int run_exec_session(control::Client& client, control::ExecCommand command,
                     const std::string& target) {
  std::optional<PtyRelay> relay;
  if (command.tty) {
    auto opened = PtyRelay::open();
    if (!opened) {
      return report({"exec: terminal", "/dev/ptmx", opened.error_code(), "try it without -t"});
    }
    relay.emplace(std::move(*opened));
    command.stdio.fill(relay->terminal());
  } else {
    for (int fd = 0; fd < 3; ++fd) {
      command.stdio[static_cast<size_t>(fd)] = standard_fd_open(fd) ? fd : -1;
    }
  }
  ExecSession session(client, command, target, relay ? &*relay : nullptr);
  if (auto watching = session.watch_signals(); !watching) {
    return report({"exec: signalfd", "", watching.error_code(), ""});
  }
  control::Refusal refusal;
  auto started = client.exec(command, &refusal);
  if (!started) {
    Failure failure = refused("exec", target, refusal);
    if (refusal.what == "program") {
      failure.on = command.argv[0];
      failure.exit_status = control::exec_exit_status(refusal.error);
    }
    return report(failure);
  }
  if (relay) relay->begin();
  return session.run();
}

}  // namespace warren::cli
