// warren group: the groups of a container's tasks, and what limits them.
#include "cli/command.h"
#include "cli/group_verbs.h"

namespace warren::cli {
namespace {

constexpr char kGroupExamples[] =
    "Groups form a tree; each has files that tell about its tasks and set their limits, as Linux's "
    "control\n"
    "groups have. A GROUP is a path from the root of that tree, \"/\". NAME, the container's, may "
    "be "
    "left out\n"
    "before a GROUP that begins with '/', inside a container, or where only one is running.\n"
    "\n"
    "Examples:\n"
    "  warren group create web /jobs --set pids.max=100\n"
    "  warren group move web /jobs 4711      a process and all that it starts from now on\n"
    "  warren group set web /jobs memory.max=512M cpu.max='50000 100000'\n"
    "  warren group tree web                 all groups, with what they use\n"
    "  warren group kill web /jobs && warren group rm web /jobs";

class GroupCommand : public Command {
 public:
  GroupCommand() : Command("group", "Make, show and change groups of tasks", kGroupExamples) {
    verbs_.push_back(make_group_create());
    verbs_.push_back(make_group_rm());
    verbs_.push_back(make_group_ls());
    verbs_.push_back(make_group_tree());
    verbs_.push_back(make_group_set());
    verbs_.push_back(make_group_get());
    verbs_.push_back(make_group_procs());
    verbs_.push_back(make_group_move());
    verbs_.push_back(make_group_kill());
  }

  void declare(CLI::App& app) override {
    app_ = &app;
    app.require_subcommand(1);
    for (const auto& verb : verbs_) {
      CLI::App* sub = app.add_subcommand(verb->name, verb->summary);
      sub->footer(verb->examples);
      verb->declare(*sub);
    }
  }

  int run() override {
    const std::string asked = app_->get_subcommands().front()->get_name();
    for (const auto& verb : verbs_) {
      if (asked == verb->name) return verb->run();
    }
    return 0;
  }

 private:
  CLI::App* app_ = nullptr;
  std::vector<std::unique_ptr<Command>> verbs_;
};

}  // namespace

std::unique_ptr<Command> make_group_command() { return std::make_unique<GroupCommand>(); }

}  // namespace warren::cli
