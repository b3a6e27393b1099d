// warren run: a container, or, inside one, a namespace below the caller's.
#include <unistd.h>

#include <charconv>
#include <climits>
#include <cstdlib>
#include <optional>
#include <utility>

#include "cli/command.h"
#include "cli/group_target.h"
#include "cli/inside.h"
#include "cli/levels.h"
#include "cli/report.h"
#include "cli/start_report.h"
#include "cli/without.h"
#include "control/container_name.h"
#include "control/exec_program.h"
#include "tracer/backend.h"

namespace warren::cli {
namespace {

// The host's kernel goes up the whole chain of parents when one of them forks or ends, so that the
// time for N levels grows with N squared: 4,000 take some 20 s.
constexpr int kMaxNest = 4096;
constexpr int kNameAttempts = 64;

constexpr char kRunExamples[] =
    "Exit status: that of CMD; 128+n if a signal n ended it; 125 if warren itself failed; 126 if "
    "CMD\n"
    "cannot be executed; 127 if there is no CMD.\n"
    "\n"
    "Examples:\n"
    "  warren run -- bash\n"
    "  warren run --init -- make -j2 check\n"
    "  warren run --nest 40 -- sh -c 'grep NSpid /proc/self/status'\n"
    "  warren run --name db --detach -- redis-server\n"
    "  warren run --group /jobs --set pids.max=100 --set memory.max=1G -- make -j8";

class RunCommand : public Command {
 public:
  explicit RunCommand(RunContainer run_container)
      : Command("run", "Run a command as process 1 of a new namespace", kRunExamples),
        run_container_(std::move(run_container)) {
    before_guest_command = 0;
  }

  void declare(CLI::App& app) override {
    app.add_option("--name", name_, "Name of the container (default: a random one)")
        ->type_name("NAME");
    app.add_option("--nest", nest_text_, "Number of namespaces, each inside the last (default: 1)")
        ->type_name("K");
    app.add_flag("--init", plan_.init, "Put a small init at process 1; CMD is process 2");
    app.add_flag("-d,--detach", detach_, "Run in the background and print the name");
    backend_option_ =
        app.add_option("--backend", backend_name_,
                       "How guests are served: ptrace, inject, untraced or auto (default: "
                       "$WARREN_BACKEND, or auto)")
            ->type_name("NAME");
    app.add_flag("--ask-paths", ask_paths_,
                 "The supervisor walks every path, the agent looks at none: slower, and tighter "
                 "where the host has no Landlock");
    without_option_ =
        app.add_option("--without", without_,
                       "Do without these features of the host: " + HostFeatures::names() +
                           "; several with commas (default: $WARREN_WITHOUT)")
            ->type_name("FEATURES");
    app.add_option("--cgroup", cgroup_,
                   "Whose controllers the groups have: warren's own, or, by delegate, the kernel's "
                   "(default: warren)")
        ->type_name("NAME");
    app.add_option("--group", group_, "Group to start in; made if it is not there")
        ->type_name("PATH");
    app.add_option("--set", settings_, "Write a value to a file of that group first; repeatable")
        ->type_name("FILE=VALUE")
        ->expected(1)
        ->allow_extra_args(false)  // else it would swallow a "--" behind it
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_flag("--stats", stats_, "At the end, say what the interception cost");
    app.add_option("CMD", plan_.argv, "The command and its arguments")->required();
  }

  int run() override {
    if (auto failure = check()) return report(*failure);
    Place place;
    if (inside_container(&place)) return run_inside();
    StartReport start;
    if (detach_) start = cli::detach();
    return finish(start, run_outside(start));
  }

 private:
  // Fills in the plan; what is wrong with the command line, if anything.
  std::optional<Failure> check();
  std::optional<Failure> check_backend();
  std::optional<Failure> check_without();
  std::optional<Failure> check_cgroup() const;
  std::optional<Failure> check_group();
  int run_inside();
  bool enter_group(GroupTarget& target) const;
  control::RunOutcome run_outside(StartReport& start);
  std::optional<Failure> claim(control::ContainerSocket& socket) const;
  static int finish(StartReport& start, const control::RunOutcome& outcome);

  RunContainer run_container_;
  std::string name_, nest_text_ = "1", backend_name_, cgroup_ = "warren", group_;
  std::vector<std::string> settings_;
  std::string without_;
  CLI::Option *backend_option_ = nullptr, *without_option_ = nullptr;
  const char* backend_source_ = "run: --backend";
  Backend backend_ = Backend::kAuto;
  int nest_ = 1;
  HostFeatures features_;
  bool detach_ = false, stats_ = false, ask_paths_ = false;
  LevelPlan plan_;
};

std::optional<Failure> RunCommand::check() {
  const char* end = nest_text_.data() + nest_text_.size();
  auto [rest, error] = std::from_chars(nest_text_.data(), end, nest_);
  if (error != std::errc() || rest != end || nest_ < 1 || nest_ > kMaxNest) {
    return Failure{"run: --nest", nest_text_, EINVAL,
                   "give a number of levels from 1 to " + std::to_string(kMaxNest)};
  }
  if (!name_.empty() && !control::valid_container_name(name_)) {
    return Failure{
        "run: --name", name_, EINVAL,
        "a name is a letter or digit and then up to 63 letters, digits, '_', '.' or '-'"};
  }
  if (auto failure = check_backend()) return failure;
  if (auto failure = check_without()) return failure;
  if (auto failure = check_cgroup()) return failure;
  if (auto failure = check_group()) return failure;
  auto program = control::find_program(plan_.argv[0]);
  if (!program) {
    int status = control::exec_exit_status(program.error_code());
    return Failure{"run", plan_.argv[0], program.error_code(),
                   status == 127 ? "check the spelling and PATH" : "it must be a program", status};
  }
  plan_.program = *program;
  return std::nullopt;
}

std::optional<Failure> RunCommand::check_backend() {
  if (backend_option_->count() == 0) {
    const char* wish = std::getenv("WARREN_BACKEND");
    if (wish == nullptr || *wish == '\0') return std::nullopt;
    backend_name_ = wish;
    backend_source_ = "run: WARREN_BACKEND";
  }
  const std::optional<Backend> backend = backend_by_name(backend_name_);
  if (!backend) {
    return Failure{backend_source_, backend_name_, EINVAL, "give auto, ptrace, inject or untraced"};
  }
  backend_ = *backend;
  return std::nullopt;
}

std::optional<Failure> RunCommand::check_without() {
  if (without_option_->count() == 0) return do_without_by_variable(features_, "run");
  return do_without(features_, without_, "run: --without");
}

std::optional<Failure> RunCommand::check_cgroup() const {
  if (cgroup_ == "warren" || cgroup_ == "delegate") return std::nullopt;
  return Failure{"run: --cgroup", cgroup_, EINVAL, "give warren or delegate"};
}

std::optional<Failure> RunCommand::check_group() {
  if (group_.empty() && !settings_.empty()) {
    return Failure{"run: --set", settings_[0], EINVAL, "say of which group, with --group"};
  }
  if (group_.find('\n') != std::string::npos) {
    return Failure{"run: --group", group_, EINVAL, "no name of a group has a newline"};
  }
  for (const std::string& setting : settings_) {
    if (!parse_setting(setting)) return Failure{"run: --set", setting, EINVAL, "give FILE=VALUE"};
  }
  return std::nullopt;
}

// Moves this process to --group, and with it what it will start. False: reported.
bool RunCommand::enter_group(GroupTarget& target) const {
  std::vector<std::string> own = {"."};
  if (!target.open(own, 0)) return false;
  using Op = control::GroupRequest::Op;
  const std::string path = group_path(group_);
  control::GroupRequest make = target.request(Op::kMake, path);
  make.parents = true;
  if (!target.client().group(target.request(Op::kList, path), nullptr) &&
      !target.ask(make, target.shown(path))) {
    return false;
  }
  for (const std::string& text : settings_) {
    const auto setting = parse_setting(text);
    if (!target.write(path, setting->first, setting->second)) return false;
  }
  return move_task(target, path, "cgroup.procs", std::to_string(getpid()));
}

// The namespace is made by this guest's own system calls, which the supervisor it has already
// serves.
int RunCommand::run_inside() {
  if (!name_.empty()) {
    return report(
        {"run: --name", name_, EOPNOTSUPP, "only containers have names, and this runs inside one"});
  }
  // The variable is the container's own, inherited, and says nothing here.
  if (backend_option_->count() > 0 && backend_ != Backend::kAuto) {
    return report({"run: --backend", backend_name_, EOPNOTSUPP,
                   "this runs inside a container, whose own back end serves what is below it"});
  }
  for (const auto& [option, given] : {std::pair{"run: --ask-paths", ask_paths_},
                                      std::pair{"run: --without", !without_.empty()}}) {
    if (!given) continue;
    return report({option, "", EOPNOTSUPP,
                   "this runs inside a container, which serves what is below it as itself"});
  }
  if (cgroup_ == "delegate") {
    return report({"run: --cgroup", cgroup_, EOPNOTSUPP,
                   "this runs inside a container, whose own groups hold what is below it"});
  }
  // Before detach(), where the errors can still be told.
  if (GroupTarget target("run: --group"); !group_.empty() && !enter_group(target)) {
    return target.status();
  }
  if (detach_) plan_.report = cli::detach();
  plan_.below = nest_;
  plan_.kill_with_caller = true;
  run_levels(std::move(plan_));
}

std::optional<Failure> RunCommand::claim(control::ContainerSocket& socket) const {
  std::string directory;
  auto dir = control::RuntimeDir::open_first(/*create=*/true, &directory);
  if (!dir) {
    return Failure{"run: runtime directory", directory, dir.error_code(),
                   "it must be yours with mode 0700; XDG_RUNTIME_DIR names another"};
  }
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    std::string name = name_.empty() ? control::random_container_name() : name_;
    auto claimed = dir->claim(name);
    if (claimed) {
      socket = std::move(*claimed);
      return std::nullopt;
    }
    if (claimed.error_code() == EEXIST && name_.empty()) continue;
    if (claimed.error_code() == EEXIST) {
      return Failure{"run: --name", name, EEXIST,
                     "a running container has this name; see 'warren ps'"};
    }
    return Failure{"run: control socket", dir->socket_path(name), claimed.error_code(), ""};
  }
  return Failure{"run", "", EEXIST, "no free name was found; give one with --name"};
}

control::RunOutcome RunCommand::run_outside(StartReport& start) {
  control::RunOptions options;
  const BackendChoice choice = choose_backend(backend_, features_, ask_paths_);
  if (choice.error != 0) {
    return {kOwnFailure, describe({backend_source_, backend_name_, choice.error, choice.why})};
  }
  options.agent = choice.agent;
  options.untraced = choice.untraced;
  options.agent_unscoped = backend_ == Backend::kInject || backend_ == Backend::kUntraced;
  options.ask_paths = ask_paths_;
  options.landlock = features_.has_landlock_scopes();
  options.sync_wakeup = !features_.is_off(HostFeature::kSyncWakeup);
  options.signal_self = features_.pidfd_self_error() == 0;
  if (auto failure = claim(options.socket)) return {failure->exit_status, describe(*failure)};
  start.name(options.socket.name());
  setenv("WARREN_SOCKET", options.socket.path().c_str(), 1);
  options.stats = stats_;
  options.delegate = cgroup_ == "delegate";
  options.own_processes = start.callers();
  if (!group_.empty()) options.group = group_path(group_);
  for (const std::string& setting : settings_) {
    options.group_settings.push_back(*parse_setting(setting));
  }
  options.program = plan_.program;
  options.argv = plan_.argv;
  if (plan_.init || nest_ > 1) {
    plan_.below = nest_ - 1;  // the first is the supervisor's work
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self);
    if (length < 0) return {kOwnFailure, describe({"run", "/proc/self/exe", errno, ""})};
    options.program.assign(self, static_cast<size_t>(length));
    options.argv = make_init_argv(plan_);
  }
  options.on_started = [&start] {
    start.started();
    start.close();
  };
  return run_container_(std::move(options));
}

int RunCommand::finish(StartReport& start, const control::RunOutcome& outcome) {
  if (outcome.error.empty()) return outcome.exit_status;
  if (start.wanted()) {
    start.failed(outcome.exit_status, outcome.error);
  } else {
    report_line(outcome.error);
  }
  return outcome.exit_status;
}

}  // namespace

std::unique_ptr<Command> make_run_command(RunContainer run_container) {
  return std::make_unique<RunCommand>(std::move(run_container));
}

}  // namespace warren::cli
