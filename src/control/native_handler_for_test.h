// A ControlHandler for tests that starts ordinary processes, without namespaces: the protocol and
// the commands can be tested with real processes, terminals and signals on any machine.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "control/control_handler.h"
#include "control/exec_program.h"

namespace warren::control {

class NativeHandler : public ControlHandler {
 public:
  ~NativeHandler() override {
    for (std::thread& waiter : waiters_) waiter.join();
  }

  ContainerInfo info() override {
    std::lock_guard lock(mutex_);
    return container;
  }

  std::optional<uint64_t> namespace_of(pid_t) override {
    std::lock_guard lock(mutex_);
    return peer_namespace;
  }

  Result<ExecStarted> exec(const Peer&, ExecRequest request,
                           std::function<void(ExecEnd)> on_exit) override {
    if (refuse_exec != 0) return Errno{refuse_exec};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return Errno{errno};
    UniqueFd failure(ends[0]), writer(ends[1]);
    // Other threads run: the child must not allocate, for it may have inherited a locked allocator.
    std::vector<char*> argv = make_argv(request.argv), env = make_argv(request.env);
    std::vector<char*> shell_argv = make_shell_argv(request.program, request.argv);
    pid_t child = fork();
    if (child < 0) return Errno{errno};
    if (child == 0) child_main(request, argv.data(), shell_argv.data(), env.data(), writer.get());
    writer.reset();
    std::lock_guard lock(mutex_);
    uint64_t id = ++last_id_;
    running_[id] = child;
    waiters_.emplace_back([this, id, child, on_exit, failure = std::move(failure)] {
      ExecEnd end;
      [[maybe_unused]] ssize_t got = read(failure.get(), &end.exec_errno, sizeof end.exec_errno);
      siginfo_t info;
      waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
      {
        // Under the lock, so that signal_exec() never names a process that is reaped.
        std::lock_guard lock(mutex_);
        waitpid(child, &end.wait_status, 0);
        running_.erase(id);
      }
      on_exit(end);
    });
    return ExecStarted{id, child, 7};
  }

  Result<void> signal_exec(uint64_t id, int signal) override {
    std::lock_guard lock(mutex_);
    auto found = running_.find(id);
    if (found == running_.end()) return Errno{ESRCH};
    if (::kill(found->second, signal) < 0) return Errno{errno};
    return {};
  }

  Result<void> kill(const Peer& peer, const KillRequest& request) override {
    std::lock_guard lock(mutex_);
    kills.push_back(request);
    last_peer = peer;
    if (request.nr == 404) return Errno{ESRCH};
    return {};
  }

  // Runs `on_group`, if there is one, without the lock.
  Result<GroupReply> group(const Peer& peer, const GroupRequest& request) override {
    {
      std::lock_guard lock(mutex_);
      group_requests.push_back(request);
      last_peer = peer;
    }
    if (on_group) return on_group(request);
    return Errno{ENOSYS};
  }

  // Set before the server starts.
  ContainerInfo container;
  std::optional<uint64_t> peer_namespace;
  int refuse_exec = 0;
  std::function<Result<GroupReply>(const GroupRequest&)> on_group;
  // Read after the reply has come.
  std::vector<KillRequest> kills;
  std::vector<GroupRequest> group_requests;
  Peer last_peer;

 private:
  [[noreturn]] static void child_main(const ExecRequest& request, char* const* argv,
                                      char* const* shell_argv, char* const* env, int failure) {
    for (int fd = 0; fd < 3; ++fd) {
      if (request.stdio[static_cast<size_t>(fd)]) {
        dup2(request.stdio[static_cast<size_t>(fd)].get(), fd);
      } else {
        close(fd);
      }
    }
    setsid();
    if (request.tty) ioctl(0, TIOCSCTTY, 0);
    umask(request.umask);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    int error = chdir(request.cwd.c_str()) < 0
                    ? errno
                    : exec_program(request.program.c_str(), argv, shell_argv, env);
    [[maybe_unused]] ssize_t written = write(failure, &error, sizeof error);
    _exit(127);
  }

  std::mutex mutex_;
  uint64_t last_id_ = 0;
  std::map<uint64_t, pid_t> running_;
  std::vector<std::thread> waiters_;
};

// A container of two namespaces: level 1 with tasks 1 and 5, level 2, whose init is 5's child 9.
inline ContainerInfo sample_container() {
  ContainerInfo info;
  info.name = "sample";
  info.backend = "ptrace";
  info.supervisor_pid = 100;
  info.started = 1700000000;
  info.namespaces = {{5001, 1, 0, 101, 2, false, ""}, {5002, 2, 5001, 109, 1, true, "deep"}};
  info.tasks = {{{101, 1}, 5001, 1, 100, "S", "bash", "bash", 1, 101, 101, true},
                {{105, 5}, 5001, 1, 101, "R", "make", "make -j2", 2, 105, 101, false},
                {{109, 9, 1}, 5002, 2, 105, "S", "sleep", "sleep 9", 1, 109, 101, true}};
  return info;
}

}  // namespace warren::control
