// warren group set and warren group get: the files of a group.
#include <nlohmann/json.hpp>

#include "cli/group_target.h"
#include "cli/group_verbs.h"
#include "cli/output.h"

namespace warren::cli {
namespace {

using control::GroupRequest;
using Op = GroupRequest::Op;

constexpr char kSetExamples[] =
    "Values go to the files in the order given; the first that is refused ends it.\n"
    "\n"
    "Examples:\n"
    "  warren group set web /jobs pids.max=100 memory.max=512M\n"
    "  warren group set web /jobs cpu.max='50000 100000'   half a processor\n"
    "  warren group set web /jobs cpuset.cpus=0-1";

constexpr char kGetExamples[] =
    "One FILE is printed as it is; several, each after its name; without any FILE all that can be "
    "read.\n"
    "\n"
    "Examples:\n"
    "  warren group get web /jobs pids.current\n"
    "  warren group get web /jobs cpu.stat memory.current\n"
    "  warren group get web /jobs --json | jq -r '.\"pids.max\"'";

class SetCommand : public Command {
 public:
  SetCommand() : Command("set", "Write values to files of a group", kSetExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("[NAME] GROUP FILE=VALUE", words_, "Container, group, and what to write")
        ->required();
    target_.declare(app);
  }

  int run() override {
    // What comes before the first setting is the group, or the container and the group.
    std::size_t first = 0;
    while (first < words_.size() && first < 2 && !is_first_setting(first)) ++first;
    std::vector<std::string> settings(words_.begin() + static_cast<std::ptrdiff_t>(first),
                                      words_.end());
    words_.resize(first);
    if (words_.empty()) return report({"group set", "", 0, "give a GROUP before FILE=VALUE"});
    for (const std::string& setting : settings) {
      if (!parse_setting(setting)) {
        return report({"group set", setting, EINVAL, "give FILE=VALUE"});
      }
    }
    if (settings.empty()) {
      return report({"group set", words_.back(), 0, "give FILE=VALUE; see 'warren group ls'"});
    }
    if (!target_.open(words_, 1)) return target_.status();
    if (words_.size() != 1) {
      return report({"group set", words_.back(), EINVAL, "give FILE=VALUE after one GROUP"});
    }
    const std::string path = group_path(words_[0]);
    for (const std::string& text : settings) {
      const auto setting = parse_setting(text);
      if (!target_.write(path, setting->first, setting->second)) return target_.status();
    }
    return 0;
  }

 private:
  bool is_first_setting(std::size_t index) const {
    return !words_[index].starts_with('/') && words_[index].find('=') != std::string::npos;
  }

  GroupTarget target_{"group set"};
  std::vector<std::string> words_;
};

// "file: value"; lines after the first are set in, as cgget(1) does.
std::string labelled(const std::string& file, std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
    text.insert(at + 1, "\t");
  }
  return file + ": " + text + "\n";
}

class GetCommand : public Command {
 public:
  GetCommand() : Command("get", "Print files of a group", kGetExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("[NAME] GROUP [FILE]", words_, "Container, group, and its files (default: all)")
        ->required();
    app.add_flag("--json", json_, "Print a JSON object with one member for each file");
    target_.declare(app);
  }

  int run() override;

 private:
  bool readable_files(const std::string& path, std::vector<std::string>& files);

  GroupTarget target_{"group get"};
  std::vector<std::string> words_;
  bool json_ = false;
};

bool GetCommand::readable_files(const std::string& path, std::vector<std::string>& files) {
  auto list = target_.ask(target_.request(Op::kList, path), target_.shown(path));
  if (!list) return false;
  for (const control::GroupEntry& entry : list->entries) {
    if (!entry.is_group && (entry.mode & 0444) != 0) files.push_back(entry.name);
  }
  return true;
}

int GetCommand::run() {
  if (!target_.open(words_, 1)) return target_.status();
  const std::string path = group_path(words_[0]);
  std::vector<std::string> files(words_.begin() + 1, words_.end());
  if (files.empty() && !readable_files(path, files)) return target_.status();
  nlohmann::json json = nlohmann::json::object();
  std::string out;
  for (const std::string& file : files) {
    const auto text = target_.read(path, file);
    if (!text) return target_.status();
    if (json_) {
      json[file] = text->ends_with('\n') ? text->substr(0, text->size() - 1) : *text;
    } else {
      out += words_.size() == 2 ? *text : labelled(file, *text);
    }
  }
  if (json_) out = json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return print(out);
}

}  // namespace

std::unique_ptr<Command> make_group_set() { return std::make_unique<SetCommand>(); }
std::unique_ptr<Command> make_group_get() { return std::make_unique<GetCommand>(); }

}  // namespace warren::cli
