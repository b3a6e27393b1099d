// warren ns: the namespaces of containers.
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "cli/command.h"
#include "cli/containers.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/tree.h"
#include "control/view.h"

namespace warren::cli {
namespace {

constexpr char kNsExamples[] =
    "NAMESPACE is its inode number, as readlink /proc/PID/ns/pid shows it inside. INIT is the "
    "number of\n"
    "its init in the outermost namespace shown (the host's own number, on the host), NR the one in "
    "the\n"
    "namespace above. Other commands take NAME:NS, where NS is that inode number, or a level that "
    "only one\n"
    "namespace has, or a path of NRs from the topmost down (/17/5).\n"
    "\n"
    "Examples:\n"
    "  warren ns web\n"
    "  warren exec web:2 -- ps -ef     in the only namespace at level 2\n"
    "  warren ns --json | jq '.[].namespaces | length'";

constexpr size_t kMaxDepthShown = 16;  // of the tree, on a terminal

class NsCommand : public Command {
 public:
  NsCommand() : Command("ns", "Show the tree of namespaces of containers", kNsExamples) {}

  void declare(CLI::App& app) override {
    app.add_option("NAME", name_, "Container (default: all; inside a container, that one)");
    app.add_flag("--json", json_, "Print JSON");
  }

  int run() override {
    std::vector<control::ContainerInfo> containers;
    if (auto failure = fetch_containers("ns", name_, containers)) return report(*failure);
    return json_ ? print_json(containers) : print_table(containers, name_.empty());
  }

 private:
  static int print_json(const std::vector<control::ContainerInfo>& containers);
  static int print_table(const std::vector<control::ContainerInfo>& containers, bool with_name);
  static void add_rows(Table& table, const control::ContainerInfo& container, bool with_name,
                       bool terminal);

  std::string name_;
  bool json_ = false;
};

int NsCommand::print_json(const std::vector<control::ContainerInfo>& containers) {
  nlohmann::json out = nlohmann::json::array();
  for (const auto& container : containers) {
    out.push_back(control::to_json(container));
    out.back().erase("tasks");
  }
  return print(out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

int NsCommand::print_table(const std::vector<control::ContainerInfo>& containers, bool with_name) {
  std::vector<Column> columns = {{"NAMESPACE", false, true},
                                 {"LEVEL", true},
                                 {"INIT", true},
                                 {"NR", true},
                                 {"TASKS", true},
                                 {"MADE BY"},
                                 {"COMMAND", false, true}};
  if (with_name) columns.insert(columns.begin(), Column{"CONTAINER", false, true});
  Table table(columns);
  Terminal terminal = stdout_terminal();
  for (const auto& container : containers) {
    add_rows(table, container, with_name, terminal.width != 0);
  }
  return print(table.render(terminal));
}

void NsCommand::add_rows(Table& table, const control::ContainerInfo& container, bool with_name,
                         bool terminal) {
  std::unordered_map<uint64_t, size_t> index;
  std::unordered_map<uint64_t, const control::TaskInfo*> inits;
  for (size_t i = 0; i < container.namespaces.size(); ++i) index[container.namespaces[i].inode] = i;
  for (const auto& task : container.tasks) {
    if (task.is_init) inits[task.ns_inode] = &task;
  }
  std::vector<size_t> parents;
  for (const auto& ns : container.namespaces) {
    auto parent = index.find(ns.parent_inode);
    parents.push_back(parent == index.end() ? kNoParent : parent->second);
  }
  for (const Branch& branch : draw_tree(parents, terminal ? kMaxDepthShown : 0)) {
    const control::NamespaceInfo& ns = container.namespaces[branch.node];
    auto init = inits.find(ns.inode);
    std::string nr = "-", command = "-";
    if (init != inits.end()) {
      const control::TaskInfo& task = *init->second;
      command = task.cmdline.empty() ? "[" + task.comm + "]" : task.cmdline;
      if (task.nrs.size() > 1) nr = std::to_string(task.nrs[task.nrs.size() - 2]);
    }
    std::string made_by = ns.by_guest ? "guest" : "warren";
    if (!ns.name.empty()) made_by += " (" + ns.name + ")";
    std::vector<Cell> row = {{branch.prefix + std::to_string(ns.inode), Style::kBold},
                             {std::to_string(ns.level)},
                             {ns.init_level0 == 0 ? "-" : std::to_string(ns.init_level0)},
                             {nr},
                             {std::to_string(ns.nr_tasks)},
                             {made_by, Style::kDim},
                             {command}};
    if (with_name) row.insert(row.begin(), Cell{container.name, Style::kCyan});
    table.add(std::move(row));
  }
}

}  // namespace

std::unique_ptr<Command> make_ns_command() { return std::make_unique<NsCommand>(); }

}  // namespace warren::cli
