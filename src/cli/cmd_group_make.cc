// warren group create and warren group rm.
#include <charconv>
#include <optional>

#include "cli/group_target.h"
#include "cli/group_verbs.h"

namespace warren::cli {
namespace {

using control::GroupRequest;
using Op = GroupRequest::Op;

constexpr char kCreateExamples[] =
    "Examples:\n"
    "  warren group create web /jobs\n"
    "  warren group create web -p /jobs/night --set pids.max=100 --set memory.max=1G\n"
    "  warren group create -H cpuset web /fast    in the hierarchy that cpuset is bound to";

constexpr char kRmExamples[] =
    "A group with tasks is not removed; 'warren group kill' ends them.\n"
    "\n"
    "Examples:\n"
    "  warren group rm web /jobs/night\n"
    "  warren group rm web -r /jobs               those below it too";

std::optional<mode_t> parse_mode(const std::string& text) {
  unsigned mode = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc() || end != text.data() + text.size() || mode > 0777) return std::nullopt;
  return static_cast<mode_t>(mode);
}

class CreateCommand : public Command {
 public:
  CreateCommand() : Command("create", "Make groups", kCreateExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("[NAME] GROUP", words_, "Container, and the groups to make")->required();
    app.add_flag("-p,--parents", parents_, "Make the groups above too; no error if it is there");
    app.add_option("--set", settings_, "Write a value to a file of each, as 'group set' does")
        ->type_name("FILE=VALUE")
        ->expected(1)
        ->allow_extra_args(false)  // else it would swallow a group behind it
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("-m,--mode", mode_text_, "Permissions, in octal (default: 755)")
        ->type_name("MODE");
    target_.declare(app);
  }

  int run() override {
    const auto mode = parse_mode(mode_text_);
    if (!mode) {
      return report({"group create: --mode", mode_text_, EINVAL, "give up to three octal digits"});
    }
    for (const std::string& setting : settings_) {
      if (!parse_setting(setting)) {
        return report({"group create: --set", setting, EINVAL, "give FILE=VALUE"});
      }
    }
    if (!target_.open(words_, 1)) return target_.status();
    for (const std::string& word : words_) {
      if (!create(group_path(word), *mode)) return target_.status();
    }
    return 0;
  }

 private:
  bool create(const std::string& path, mode_t mode);

  GroupTarget target_{"group create"};
  std::vector<std::string> words_, settings_;
  std::string mode_text_ = "755";
  bool parents_ = false;
};

bool CreateCommand::create(const std::string& path, mode_t mode) {
  GroupRequest make = target_.request(Op::kMake, path);
  make.mode = mode;
  make.parents = parents_;
  const bool there = parents_ && target_.client().group(target_.request(Op::kList, path), nullptr);
  if (!there && !target_.ask(make, target_.shown(path))) return false;
  for (const std::string& text : settings_) {
    const auto setting = parse_setting(text);
    if (!target_.write(path, setting->first, setting->second)) return false;
  }
  return true;
}

class RmCommand : public Command {
 public:
  RmCommand() : Command("rm", "Remove groups", kRmExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("[NAME] GROUP", words_, "Container, and the groups to remove")->required();
    app.add_flag("-r,--recursive", recursive_, "Remove the groups below them too");
    target_.declare(app);
  }

  int run() override {
    if (!target_.open(words_, 1)) return target_.status();
    for (const std::string& word : words_) {
      const std::string path = group_path(word);
      GroupRequest remove = target_.request(Op::kRemove, path);
      remove.parents = recursive_;
      if (!target_.ask(remove, target_.shown(path))) return target_.status();
    }
    return 0;
  }

 private:
  GroupTarget target_{"group rm"};
  std::vector<std::string> words_;
  bool recursive_ = false;
};

}  // namespace

std::unique_ptr<Command> make_group_create() { return std::make_unique<CreateCommand>(); }
std::unique_ptr<Command> make_group_rm() { return std::make_unique<RmCommand>(); }

}  // namespace warren::cli
