// warren ps: the tasks of containers.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "cli/command.h"
#include "cli/containers.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/text_width.h"
#include "cli/tree.h"
#include "control/view.h"

namespace warren::cli {
namespace {

constexpr char kPsExamples[] =
    "NUMBERS are those that a task has, from the outermost namespace to its own, comma-separated; "
    "on\n"
    "the host the first is the host's. STATE is as in ps(1); init marks a namespace's first "
    "process.\n"
    "\n"
    "Examples:\n"
    "  warren ps                       every task of all your containers\n"
    "  warren ps web --tree            one container's, as a tree\n"
    "  warren ps --json | jq '.[].tasks[].nrs'";

constexpr size_t kMaxDepthShown = 24;  // of the tree, on a terminal
constexpr size_t kNumbersShown = 8;    // of a tuple, on a terminal

// "4711,17,5"; on a terminal a long tuple loses its middle.
std::string numbers(const std::vector<int>& nrs, bool shorten) {
  std::string text;
  for (size_t i = 0; i < nrs.size(); ++i) {
    if (shorten && nrs.size() > kNumbersShown && i == kNumbersShown / 2) {
      text += "," + std::string(ellipsis());
      i = nrs.size() - kNumbersShown / 2;
    }
    if (i > 0) text += ',';
    text += std::to_string(nrs[i]);
  }
  return text;
}

Style state_style(const std::string& state) {
  if (state == "R") return Style::kGreen;
  if (state == "Z" || state == "X") return Style::kRed;
  if (state == "T" || state == "t" || state == "D") return Style::kYellow;
  return Style::kPlain;
}

std::string command_of(const control::TaskInfo& task) {
  return task.cmdline.empty() ? "[" + task.comm + "]" : task.cmdline;
}

class PsCommand : public Command {
 public:
  PsCommand()
      : Command("ps", "Show the tasks of containers, with all their numbers", kPsExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("NAME", name_, "Container (default: all; inside a container, that one)");
    app.add_flag("--tree", tree_, "Draw parents and children as a tree");
    app.add_flag("--json", json_, "Print JSON");
  }

  int run() override {
    std::vector<control::ContainerInfo> containers;
    if (auto failure = fetch_containers("ps", name_, containers)) return report(*failure);
    return json_ ? print_json(containers) : print_table(containers, name_.empty());
  }

 private:
  static int print_json(const std::vector<control::ContainerInfo>& containers);
  int print_table(const std::vector<control::ContainerInfo>& containers, bool with_name) const;
  void add_rows(Table& table, const control::ContainerInfo& container, bool with_name,
                bool terminal) const;

  std::string name_;
  bool tree_ = false, json_ = false;
};

int PsCommand::print_json(const std::vector<control::ContainerInfo>& containers) {
  nlohmann::json out = nlohmann::json::array();
  for (const auto& container : containers) {
    out.push_back(control::to_json(container));
    out.back().erase("namespaces");
  }
  return print(out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

int PsCommand::print_table(const std::vector<control::ContainerInfo>& containers,
                           bool with_name) const {
  std::vector<Column> columns = {
      {"NUMBERS"}, {"NAMESPACE", true}, {"PARENT", true}, {"STATE"}, {"COMMAND", false, true}};
  if (with_name) columns.insert(columns.begin(), Column{"CONTAINER", false, true});
  columns[with_name ? 1 : 0].shrinks = true;
  Table table(columns);
  Terminal terminal = stdout_terminal();
  for (const auto& container : containers) {
    add_rows(table, container, with_name, terminal.width != 0);
  }
  return print(table.render(terminal));
}

void PsCommand::add_rows(Table& table, const control::ContainerInfo& container, bool with_name,
                         bool terminal) const {
  std::unordered_map<int, size_t> index;
  for (size_t i = 0; i < container.tasks.size(); ++i) index[container.tasks[i].nrs.front()] = i;
  std::vector<size_t> parents(container.tasks.size(), kNoParent);
  if (tree_) {
    for (size_t i = 0; i < container.tasks.size(); ++i) {
      auto parent = index.find(container.tasks[i].parent_level0);
      if (parent != index.end()) parents[i] = parent->second;
    }
  }
  for (const Branch& branch : draw_tree(parents, terminal ? kMaxDepthShown : 0)) {
    const control::TaskInfo& task = container.tasks[branch.node];
    std::vector<Cell> row = {
        {numbers(task.nrs, terminal), Style::kBold},
        {std::to_string(task.ns_inode), Style::kDim},
        {std::to_string(task.parent_level0)},
        {task.state + (task.is_init ? " init" : ""), state_style(task.state)},
        {branch.prefix + command_of(task), task.is_init ? Style::kCyan : Style::kPlain}};
    if (with_name) row.insert(row.begin(), Cell{container.name, Style::kCyan});
    table.add(std::move(row));
  }
}

}  // namespace

std::unique_ptr<Command> make_ps_command() { return std::make_unique<PsCommand>(); }

}  // namespace warren::cli
