// warren freeze and warren thaw: groups that stand still for a while.
#include "cli/command.h"
#include "cli/group_target.h"

namespace warren::cli {
namespace {

constexpr char kFreezeExamples[] =
    "Every task of the group and of those below it stands still, as soon as it can, and does not "
    "notice;\n"
    "what it starts meanwhile, and who moves there, too. SIGKILL still ends it. Returns when all "
    "stand\n"
    "still.\n"
    "\n"
    "Examples:\n"
    "  warren freeze web /jobs\n"
    "  warren thaw web /jobs";

constexpr char kThawExamples[] =
    "Examples:\n"
    "  warren thaw web /jobs";

class FreezeCommand : public Command {
 public:
  FreezeCommand() : Command("freeze", "Make all tasks of groups stand still", kFreezeExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("[NAME] GROUP", words_, "Container, and the groups")->required();
    app.add_flag("--no-wait", no_wait_, "Do not wait until all stand still");
    target_.declare(app);
  }

  int run() override {
    if (!target_.open(words_, 1) || !target_.prefer_hierarchy_of("freezer")) {
      return target_.status();
    }
    for (const std::string& word : words_) {
      if (!target_.write(group_path(word), "cgroup.freeze", "1")) return target_.status();
    }
    for (const std::string& word : words_) {
      if (no_wait_) break;
      if (!target_.wait_for_event(group_path(word), "frozen 1")) return target_.status();
    }
    return 0;
  }

 private:
  GroupTarget target_{"freeze"};
  std::vector<std::string> words_;
  bool no_wait_ = false;
};

class ThawCommand : public Command {
 public:
  ThawCommand() : Command("thaw", "Let frozen groups go on", kThawExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("[NAME] GROUP", words_, "Container, and the groups")->required();
    target_.declare(app);
  }

  int run() override {
    if (!target_.open(words_, 1) || !target_.prefer_hierarchy_of("freezer")) {
      return target_.status();
    }
    for (const std::string& word : words_) {
      const std::string path = group_path(word);
      if (!target_.write(path, "cgroup.freeze", "0")) return target_.status();
      const auto above = target_.read(path, "freezer.parent_freezing");
      if (!above) return target_.status();
      if (above->starts_with('1')) {
        return report({"thaw", target_.shown(path), 0, "a group above it is frozen: thaw that"});
      }
    }
    return 0;
  }

 private:
  GroupTarget target_{"thaw"};
  std::vector<std::string> words_;
};

}  // namespace

std::unique_ptr<Command> make_freeze_command() { return std::make_unique<FreezeCommand>(); }
std::unique_ptr<Command> make_thaw_command() { return std::make_unique<ThawCommand>(); }

}  // namespace warren::cli
