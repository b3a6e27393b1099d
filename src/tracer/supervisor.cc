#include "tracer/supervisor.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "control/exec_program.h"
#include "control/server.h"
#include "tracer/container.h"
#include "tracer/delegated_cgroup.h"
#include "tracer/end_descendants.h"
#include "tracer/front.h"
#include "tracer/original_limits.h"
#include "tracer/syscall_table.h"

extern char** environ;

namespace warren {

namespace {

constexpr int kOwnFailure = 125;

std::string advice_for(const std::string& step) {
  if (step == "ptrace")
    return "; this host forbids tracing one's own processes, see 'warren doctor'";
  if (step == "seccomp") return "; user notification needs Linux 5.19, see 'warren doctor'";
  return "";
}

GuestProgram first_program(const control::RunOptions& options) {
  GuestProgram program;
  program.program = options.program;
  program.argv = options.argv;
  for (char** variable = environ; *variable; ++variable) program.env.emplace_back(*variable);
  return program;
}

std::string fork_failed() {
  return std::string("run: fork: ") + std::strerror(errno) +
         "; too many processes? see 'ulimit -u'";
}

void print_stats(const Stats& stats) {
  std::fprintf(stderr,
               "warren: %llu stops (%llu slept for), %llu notifications, %llu forks, %llu deaths\n",
               static_cast<unsigned long long>(stats.stops.load()),
               static_cast<unsigned long long>(stats.blocking_waits.load()),
               static_cast<unsigned long long>(stats.notifications.load()),
               static_cast<unsigned long long>(stats.forks.load()),
               static_cast<unsigned long long>(stats.deaths.load()));
  std::vector<std::pair<std::uint64_t, std::string>> notified;
  const auto add = [&](std::uint64_t count, const std::string& of) {
    if (count != 0) notified.emplace_back(count, of + " " + std::to_string(count));
  };
  add(stats.notified_by_agents.load(), "agents' own");
  for (std::size_t nr = 0; nr < stats.notified.size(); ++nr) {
    add(stats.notified[nr].load(), syscall_name(static_cast<int>(nr)));
  }
  if (notified.empty()) return;
  std::stable_sort(notified.begin(), notified.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string line;
  for (const auto& [count, text] : notified) line += (line.empty() ? "" : ", ") + text;
  std::fprintf(stderr, "warren: notified: %s\n", line.c_str());
}

// 128+n for a death by signal n, as shells have it.
int exit_status_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

void supervise(control::RunOptions& options, FrontLine& front, DelegatedCgroup* cgroup) {
  prctl(PR_SET_NAME, "warren", 0, 0, 0);
  // Orphans of programs that came from outside would otherwise leave the container's family.
  take_orphans();
  keep_original_limits();
  // Nothing but SIGKILL and SIGSTOP is for the supervisor: it would end the container unseen.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);

  auto created = Container::create(options.socket.name(), front,
                                   {.agent = options.agent,
                                    .untraced = options.untraced,
                                    .agent_unscoped = options.agent_unscoped,
                                    .ask_paths = options.ask_paths,
                                    .landlock = options.landlock,
                                    .sync_wakeup = options.sync_wakeup,
                                    .signal_self = options.signal_self},
                                   cgroup);
  if (!created) {
    front.ended(kOwnFailure, std::string("run: engine: ") + std::strerror(created.error_code()));
    return;
  }
  Container& container = **created;
  const auto server = control::Server::start(options.socket.listener(), container);
  if (!server) {
    front.ended(kOwnFailure,
                std::string("run: control server: ") + std::strerror(server.error_code()));
    return;
  }
  if (const auto error =
          container.start(first_program(options), {options.group, options.group_settings})) {
    container.kill_all();
    front.ended(kOwnFailure, "run: " + error->what + ": " + std::strerror(error->error) +
                                 advice_for(error->what));
    return;
  }
  // When the front is killed, the container ends with it.
  std::thread watch([&] {
    front.wait_until_closed();
    container.kill_all();
  });
  const Container::End end = container.serve();
  (*server)->stop();
  container.close();
  front.shut_down();
  watch.join();
  if (cgroup != nullptr) cgroup->end();
  if (options.stats) print_stats(container.stats());
  if (end.exec_error != 0) {
    front.ended(control::exec_exit_status(end.exec_error),
                "run: " + options.argv[0] + ": " + std::strerror(end.exec_error));
  } else {
    front.ended(exit_status_of(end.wait_status), "");
  }
}

// Where the front has other children (a script may exec `warren run` beside a daemon of its own),
// orphans of theirs must neither come to it nor end with the container. Then this process stands
// between: it takes the supervisor's orphans, and the front takes none. Returns twice, and true in
// the supervisor.
bool fork_below(const FrontLine& front) {
  prctl(PR_SET_NAME, "warren", 0, 0, 0);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  take_orphans();
  const pid_t pid = fork();
  if (pid == 0) return true;
  if (pid < 0) {
    front.ended(kOwnFailure, fork_failed());
  } else if (const std::string problem = outlive(OutlivedChild(pid)); !problem.empty()) {
    front.ended(kOwnFailure, problem);
  }
  return false;
}

// Forks the supervisor and stands in front of it.
control::RunOutcome run_supervised(control::RunOptions& options, DelegatedCgroup* cgroup) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return {kOwnFailure, std::string("run: socketpair: ") + std::strerror(errno)};
  }
  UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  const bool between = may_have_other_children();
  if (!between) take_orphans();
  const pid_t pid = fork();
  if (pid < 0) return {kOwnFailure, fork_failed()};
  if (pid == 0) {
    ours.reset();
    FrontLine front(std::move(theirs));
    if (!between || fork_below(front)) supervise(options, front, cgroup);
    // The name is the front's to give back, as long as it lives; so nothing is destroyed here.
    std::fflush(nullptr);
    _exit(0);
  }
  theirs.reset();
  return stand_in_front(std::move(ours), pid, !between, options.on_started);
}

}  // namespace

control::RunOutcome run_container(control::RunOptions options) {
  std::unique_ptr<DelegatedCgroup> cgroup;
  if (options.delegate) {
    std::string problem;
    cgroup = DelegatedCgroup::create(options.socket.name(), options.own_processes, &problem);
    if (!cgroup) return {kOwnFailure, "run: --cgroup: " + problem};
  }
  control::RunOutcome outcome = run_supervised(options, cgroup.get());
  // What is there yet if the supervisor was killed.
  if (cgroup) cgroup->end();
  options.socket.remove();
  return outcome;
}

}  // namespace warren
