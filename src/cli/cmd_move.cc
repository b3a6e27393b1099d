// warren move: a running process to another group or another pid namespace.
#include "cli/command.h"
#include "cli/containers.h"
#include "cli/group_target.h"
#include "cli/output.h"
#include "control/ns_selector.h"

namespace warren::cli {
namespace {

using control::GroupRequest;
using Op = GroupRequest::Op;

constexpr char kMoveExamples[] =
    "PID is the number in the outermost namespace that the caller sees: on the host, the host's, "
    "which\n"
    "'warren ps' shows first. A process moves with all its threads. After --ns the numbers that it "
    "has\n"
    "in the new namespace are printed: the old ones, where they are free there.\n"
    "\n"
    "Examples:\n"
    "  warren move web 4711 --to /jobs                     to a group, with what it starts from "
    "now on\n"
    "  warren move web 4711 --ns 2 --children              to another pid namespace; see 'warren "
    "ns'\n"
    "  warren move web 4711 --like 4712 --subsystem memory the group of 4712, for memory alone";

class MoveCommand : public Command {
 public:
  MoveCommand()
      : Command("move", "Move running processes to another group or namespace", kMoveExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("[NAME] PID", words_, "Container, and the processes' numbers")->required();
    app.add_option("--to", to_, "To this group")->type_name("GROUP");
    app.add_option("--ns", ns_, "To this pid namespace")->type_name("NS");
    app.add_option("--like", like_, "To the group of this process, with --subsystem")
        ->type_name("PID");
    app.add_flag("--children", children_, "With --ns: all below it that are in its namespace too");
    app.add_option("--subsystem", subsystem_, "Only for this subsystem; all else stays")
        ->type_name("S");
    target_.declare(app);
  }

  int run() override;

 private:
  std::optional<Failure> check() const;
  std::optional<uint64_t> find_namespace();
  std::optional<GroupRequest> make_request();

  GroupTarget target_{"move"};
  std::vector<std::string> words_;
  std::string to_, ns_, like_, subsystem_;
  bool children_ = false;
};

// What is wrong with the command line, if anything.
std::optional<Failure> MoveCommand::check() const {
  const int goals = (to_.empty() ? 0 : 1) + (ns_.empty() ? 0 : 1) + (like_.empty() ? 0 : 1);
  if (goals != 1) return Failure{"move", "", 0, "say where to, with one of --to, --ns and --like"};
  if (children_ && ns_.empty()) {
    return Failure{"move: --children", "", EINVAL,
                   "it goes with --ns; groups take single processes"};
  }
  if (!subsystem_.empty() && !ns_.empty()) {
    return Failure{"move: --subsystem", subsystem_, EINVAL, "it goes with --to or --like"};
  }
  if (!like_.empty() && subsystem_.empty()) {
    return Failure{"move: --like", like_, EINVAL, "name a subsystem, with --subsystem"};
  }
  if (!like_.empty() && !parse_pid(like_)) {
    return Failure{"move: --like", like_, EINVAL,
                   "give the number of a process, as 'warren ps' shows it"};
  }
  return std::nullopt;
}

// The namespace that --ns means; nullopt: reported.
std::optional<uint64_t> MoveCommand::find_namespace() {
  control::Refusal refusal;
  auto container = target_.client().info(&refusal);
  auto inode = container ? control::resolve_selector(*container, ns_) : container.error();
  if (inode) return *inode;
  if (container) refusal = {inode.error_code(), "namespace"};
  target_.fail(refused("move: --ns", ns_, refusal));
  return std::nullopt;
}

// What to ask for each process; nullopt: reported.
std::optional<GroupRequest> MoveCommand::make_request() {
  if (!ns_.empty()) {
    const auto inode = find_namespace();
    if (!inode) return std::nullopt;
    GroupRequest request = target_.request(Op::kMoveNamespace, "");
    request.inode = *inode;
    request.parents = children_;
    return request;
  }
  if (subsystem_.empty()) {
    GroupRequest request = target_.request(Op::kWrite, group_path(to_));
    request.file = "cgroup.procs";
    return request;
  }
  GroupRequest request = target_.request(Op::kReshare, to_.empty() ? "" : group_path(to_));
  request.text = subsystem_;
  if (!like_.empty()) request.other = *parse_pid(like_);
  return request;
}

int MoveCommand::run() {
  if (auto failure = check()) return report(*failure);
  // All words may be numbers, and a container may have one for its name: the first is a name only
  // where it cannot be a number, or stands before others.
  const bool named = words_.size() > 1 && !parse_pid(words_[0]);
  const std::size_t first = named ? 1 : 0;
  for (std::size_t i = first; i < words_.size(); ++i) {
    if (!parse_pid(words_[i])) return bad_pid("move", words_[i]);
  }
  std::vector<std::string> name(words_.begin(), words_.begin() + static_cast<ptrdiff_t>(first));
  if (!target_.open(name, 0)) return target_.status();
  if (!name.empty()) {
    return report({"move", name[0], EINVAL, "this runs inside another container"});
  }
  auto request = make_request();
  if (!request) return target_.status();
  for (std::size_t i = first; i < words_.size(); ++i) {
    request->pid = *parse_pid(words_[i]);
    if (request->op == Op::kWrite) request->text = words_[i];
    const auto reply = target_.ask(*request, words_[i]);
    if (!reply) return target_.status();
    if (request->op != Op::kMoveNamespace) continue;
    const bool line = reply->text.ends_with('\n');
    if (int status = print(reply->text + (line ? "" : "\n")); status != 0) return status;
  }
  return 0;
}

}  // namespace

std::unique_ptr<Command> make_move_command() { return std::make_unique<MoveCommand>(); }

}  // namespace warren::cli
