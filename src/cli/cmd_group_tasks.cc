// warren group procs, move and kill: the tasks of groups.
#include <signal.h>

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/containers.h"
#include "cli/group_target.h"
#include "cli/group_verbs.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/table.h"

namespace warren::cli {
namespace {

using control::GroupRequest;
using Op = GroupRequest::Op;

constexpr char kProcsExamples[] =
    "NR is the number in the outermost namespace that the caller sees: on the host, the host's.\n"
    "\n"
    "Examples:\n"
    "  warren group procs web /jobs\n"
    "  warren group procs web -r            of every group\n"
    "  warren group procs web /jobs -q | xargs -r ps -fp";

constexpr char kMoveExamples[] =
    "PID is the number in the outermost namespace that the caller sees: on the host, the host's, "
    "which\n"
    "'warren ps' shows first. A process moves with all its threads; what it starts from now on is "
    "in the\n"
    "new group as well.\n"
    "\n"
    "Examples:\n"
    "  warren group move web /jobs 4711\n"
    "  warren group move web / $(warren group procs web /jobs -q)";

constexpr char kKillExamples[] =
    "Ends every process of the group and of those below it, those too that are just being made, "
    "and\n"
    "returns when they have ended. With -s they are sent that signal once, and nothing is waited "
    "for.\n"
    "\n"
    "Examples:\n"
    "  warren group kill web /jobs\n"
    "  warren group kill web /jobs -s TERM";

std::vector<int> parse_numbers(const std::string& text) {
  std::vector<int> numbers;
  const char* end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    int number = 0;
    auto [rest, error] = std::from_chars(at, end, number);
    if (error != std::errc()) break;
    numbers.push_back(number);
    at = rest + (rest < end ? 1 : 0);
  }
  return numbers;
}

// Processes by number, and the group of each. nullopt: reported.
using Processes = std::map<int, std::string>;
std::optional<Processes> processes_below(GroupTarget& target, const std::string& top) {
  auto reply = target.ask(target.request(Op::kSnapshot, ""), target.shown(top));
  if (!reply) return std::nullopt;
  const std::string below = top == "/" ? top : top + "/";
  const int hierarchy = std::max(target.hierarchy(), 0);
  Processes processes;
  bool found = false;
  for (const control::GroupSnapshot& group : reply->groups) {
    if (group.hierarchy != hierarchy) continue;
    if (group.path != top && !group.path.starts_with(below)) continue;
    found = true;
    for (int nr : group.processes) processes.emplace(nr, group.path);
  }
  if (found) return processes;
  target.fail({target.command(), target.shown(top), ENOENT,
               "there is no such group; see 'warren group tree'"});
  return std::nullopt;
}

class ProcsCommand : public Command {
 public:
  ProcsCommand() : Command("procs", "List the processes of a group", kProcsExamples) {}

  void declare(CLI::App& app) override {
    place_.declare(app);
    app.add_flag("-r,--recursive", recursive_, "Those of the groups below it too");
    app.add_flag("--threads", threads_, "List threads");
    app.add_flag("-q,--quiet", quiet_, "Print numbers only");
    app.add_flag("--json", json_, "Print JSON");
    target_.declare(app);
  }

  int run() override;

 private:
  int show(const Processes& processes, const control::ContainerInfo& container) const;

  GroupTarget target_{"group procs"};
  OptionalGroup place_;
  bool recursive_ = false, threads_ = false, quiet_ = false, json_ = false;
};

int ProcsCommand::run() {
  if (recursive_ && threads_) {
    return report({"group procs", "--threads", EINVAL, "it is for one group, without --recursive"});
  }
  const auto path_asked = place_.open(target_);
  if (!path_asked) return target_.status();
  const std::string& path = *path_asked;
  Processes processes;
  if (recursive_) {
    auto below = processes_below(target_, path);
    if (!below) return target_.status();
    processes = std::move(*below);
  } else {
    const auto text = target_.read(path, threads_ ? "cgroup.threads" : "cgroup.procs");
    if (!text) return target_.status();
    for (int nr : parse_numbers(*text)) processes.emplace(nr, path);
  }
  if (quiet_) {
    std::string out;
    for (const auto& [nr, group] : processes) out += std::to_string(nr) + "\n";
    return print(out);
  }
  control::Refusal refusal;
  const auto container = target_.client().info(&refusal);
  if (!container) return report(refused("group procs", target_.shown(path), refusal));
  return show(processes, *container);
}

int ProcsCommand::show(const Processes& processes, const control::ContainerInfo& container) const {
  std::map<int, const control::TaskInfo*> tasks;
  for (const control::TaskInfo& task : container.tasks) tasks[task.nrs.front()] = &task;
  nlohmann::json json = nlohmann::json::array();
  std::vector<Column> columns = {{"NR", true}, {"COMMAND", false, true}};
  if (recursive_) columns.insert(columns.begin() + 1, Column{"GROUP", false, true});
  Table table(columns);
  for (const auto& [nr, group] : processes) {
    auto found = tasks.find(nr);
    std::string comm, command = "-";
    if (found != tasks.end()) {
      comm = found->second->comm;
      command = found->second->cmdline.empty() ? "[" + comm + "]" : found->second->cmdline;
    }
    json.push_back({{"nr", nr},
                    {"group", group},
                    {"comm", comm},
                    {"cmdline", found == tasks.end() ? "" : found->second->cmdline}});
    std::vector<Cell> row = {{std::to_string(nr), Style::kBold}, {command}};
    if (recursive_) row.insert(row.begin() + 1, Cell{group, Style::kCyan});
    table.add(std::move(row));
  }
  if (!json_) return print(table.render(stdout_terminal()));
  return print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

class GroupMoveCommand : public Command {
 public:
  GroupMoveCommand() : Command("move", "Move processes to a group", kMoveExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("[NAME] GROUP PID", words_, "Container, group, and the processes' numbers")
        ->required();
    app.add_flag("--thread", thread_, "Each PID is a thread, which moves alone");
    target_.declare(app);
  }

  int run() override {
    if (words_.size() < 2) return report({"group move", "", 0, "give a GROUP and the PIDs"});
    if (!target_.open(words_, 2)) return target_.status();
    if (words_.size() < 2) return report({"group move", words_[0], 0, "give the PIDs to move"});
    const std::string path = group_path(words_[0]);
    for (std::size_t i = 1; i < words_.size(); ++i) {
      if (!parse_pid(words_[i])) return bad_pid("group move", words_[i]);
    }
    for (std::size_t i = 1; i < words_.size(); ++i) {
      const char* file = thread_ ? "cgroup.threads" : "cgroup.procs";
      if (!move_task(target_, path, file, words_[i])) return target_.status();
    }
    return 0;
  }

 private:
  GroupTarget target_{"group move"};
  std::vector<std::string> words_;
  bool thread_ = false;
};

class GroupKillCommand : public Command {
 public:
  GroupKillCommand() : Command("kill", "End the processes of groups", kKillExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("[NAME] GROUP", words_, "Container, and the groups")->required();
    app.add_option("-s,--signal", signal_text_, "Signal, by name or number (default: KILL)")
        ->type_name("SIG");
    app.add_flag("--no-wait", no_wait_, "Do not wait for their end");
    target_.declare(app);
  }

  int run() override {
    int signal = SIGKILL;
    if (!signal_text_.empty()) {
      auto parsed = parse_signal(signal_text_);
      if (!parsed) {
        return report(
            {"group kill: --signal", signal_text_, EINVAL, "'kill -l' lists the signals"});
      }
      signal = *parsed;
    }
    if (!target_.open(words_, 1)) return target_.status();
    for (const std::string& word : words_) {
      const std::string path = group_path(word);
      const bool done = signal == SIGKILL ? kill(path) : send(path, signal);
      if (!done) return target_.status();
    }
    return 0;
  }

 private:
  bool kill(const std::string& path);
  bool send(const std::string& path, int signal);

  GroupTarget target_{"group kill"};
  std::vector<std::string> words_;
  std::string signal_text_;
  bool no_wait_ = false;
};

bool GroupKillCommand::kill(const std::string& path) {
  if (path == "/") {
    return target_.fail({"group kill", target_.shown(path), EINVAL,
                         "the root has no cgroup.kill; 'warren kill' ends a container"});
  }
  if (!target_.write(path, "cgroup.kill", "1")) return false;
  // With the container's init goes the container.
  return no_wait_ || target_.wait_for_event(path, "populated 0", /*end_too=*/true);
}

bool GroupKillCommand::send(const std::string& path, int signal) {
  const auto processes = processes_below(target_, path);
  if (!processes) return false;
  control::Refusal refusal;
  const auto container = target_.client().info(&refusal);
  if (!container) return target_.fail(refused("group kill", target_.shown(path), refusal));
  for (const control::TaskInfo& task : container->tasks) {
    if (!processes->contains(task.nrs.front())) continue;
    auto sent =
        target_.client().kill(std::to_string(task.ns_inode), task.nrs.back(), signal, &refusal);
    // One that has ended meanwhile needs no signal any more.
    if (!sent && refusal.error != ESRCH) {
      return target_.fail(refused(
          "group kill", target_.shown(path) + ": " + std::to_string(task.nrs.front()), refusal));
    }
  }
  return true;
}

}  // namespace

std::unique_ptr<Command> make_group_procs() { return std::make_unique<ProcsCommand>(); }
std::unique_ptr<Command> make_group_move() { return std::make_unique<GroupMoveCommand>(); }
std::unique_ptr<Command> make_group_kill() { return std::make_unique<GroupKillCommand>(); }

}  // namespace warren::cli
