#include "cli/levels.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "cli/report.h"
#include "cli/signal_relay.h"
#include "control/exec_program.h"

namespace warren::cli {
namespace {

[[noreturn]] void fail(const LevelPlan& plan, const Failure& failure) {
  if (plan.report.wanted()) {
    plan.report.failed(failure.exit_status, describe(failure));
  } else {
    report(failure);
  }
  _exit(failure.exit_status);
}

[[noreturn]] void execute(const LevelPlan& plan, const SignalRelay& relay) {
  std::vector<char*> argv = control::make_argv(plan.argv);
  std::vector<char*> shell_argv = control::make_shell_argv(plan.program, plan.argv);
  plan.report.starting();
  relay.restore();
  int error = control::exec_program(plan.program.c_str(), argv.data(), shell_argv.data(), environ);
  fail(plan, {"run", plan.argv[0], error, "", control::exec_exit_status(error)});
}

// A fork makes the host's kernel copy, for each mapping, one link for every fork since the last
// execve; a chain of a thousand would cost it half a minute. So now and then the image is made
// anew.
constexpr int kForksOfOneImage = 16;

[[noreturn]] void begin_anew(const LevelPlan& plan, const SignalRelay& relay) {
  const std::vector<std::string> argv = make_init_argv(plan);
  relay.restore();
  execv("/proc/self/exe", control::make_argv(argv).data());
  fail(plan, {"run", "/proc/self/exe", errno, ""});
}

// Ties this process's life to its parent's. `parent_alive` hangs up when the parent has died
// before.
void die_with_parent(int parent_alive) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pollfd hang_up{parent_alive, 0, 0};
  if (poll(&hang_up, 1, 0) > 0) _exit(kOwnFailure);
}

}  // namespace

void run_levels(LevelPlan plan) {
  SignalRelay relay;
  const int wanted = plan.below;
  for (int forks = 0;; ++forks) {
    if (forks == kForksOfOneImage && plan.below > 0 && !plan.report.wanted()) {
      begin_anew(plan, relay);
    }
    if (plan.below == 0 && !plan.init) execute(plan, relay);
    if (plan.below > 0 && unshare(CLONE_NEWPID) < 0) {
      fail(plan, {"run",
                  "namespace " + std::to_string(wanted - plan.below + 1) + " of " +
                      std::to_string(wanted),
                  errno, "ask for fewer levels with --nest"});
    }
    int alive[2] = {-1, -1};
    if (plan.kill_with_caller && pipe2(alive, O_CLOEXEC) < 0)
      fail(plan, {"run", "pipe", errno, ""});
    UniqueFd reader(alive[0]), writer(alive[1]);
    pid_t child = fork();
    if (child < 0) fail(plan, {"run", "fork", errno, "there may be too many processes already"});
    if (child > 0) {
      if (plan.kill_with_caller) plan.report.name(std::to_string(child));
      plan.report.close();
      _exit(relay.watch(child));
    }
    writer.reset();
    if (plan.kill_with_caller) die_with_parent(reader.get());
    plan.kill_with_caller = false;
    if (plan.below == 0) execute(plan, relay);
    --plan.below;
  }
}

std::vector<std::string> make_init_argv(const LevelPlan& plan) {
  std::vector<std::string> argv = {"warren", kInitCommand, std::to_string(plan.below),
                                   plan.init ? "1" : "0", plan.program};
  argv.insert(argv.end(), plan.argv.begin(), plan.argv.end());
  return argv;
}

void run_init_command(int argc, char** argv) {
  LevelPlan plan;
  // This is no interface for people: whatever does not fit is a bug of the caller's.
  if (argc < 6 ||
      std::from_chars(argv[2], argv[2] + strlen(argv[2]), plan.below).ec != std::errc() ||
      plan.below < 0) {
    _exit(report({kInitCommand, "", EINVAL, "this command is for warren's own use"}));
  }
  plan.init = strcmp(argv[3], "1") == 0;
  plan.program = argv[4];
  plan.argv.assign(argv + 5, argv + argc);
  run_levels(std::move(plan));
}

}  // namespace warren::cli
