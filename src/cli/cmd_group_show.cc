// warren group ls and warren group tree: what groups there are.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "cli/containers.h"
#include "cli/group_target.h"
#include "cli/group_verbs.h"
#include "cli/inside.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/top/columns.h"
#include "cli/tree.h"
#include "control/group_wire.h"

namespace warren::cli {
namespace {

using control::GroupRequest;
using control::GroupSnapshot;
using Op = GroupRequest::Op;

constexpr char kLsExamples[] =
    "Groups below come first, with a final '/', then the group's files.\n"
    "\n"
    "Examples:\n"
    "  warren group ls web\n"
    "  warren group ls web /jobs -l        with modes and owners\n"
    "  warren group ls web --hierarchies   what is mounted apart from the default hierarchy";

constexpr char kTreeExamples[] =
    "TASKS (threads), FORKS, CPU and MEMORY are those of the group and of all below it; OWN are "
    "the\n"
    "threads in the group itself. LIMIT is pids.max.\n"
    "\n"
    "Examples:\n"
    "  warren group tree                   of all your containers\n"
    "  warren group tree web /jobs\n"
    "  warren group tree web --json | jq '.[].groups[] | select(.frozen) | .path'";

constexpr std::size_t kMaxDepthShown = 24;  // of the tree, on a terminal

nlohmann::json hierarchy_json(const HierarchyName& hierarchy) {
  return {{"id", hierarchy.id}, {"subsystems", hierarchy.subsystems}, {"name", hierarchy.name}};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

class LsCommand : public Command {
 public:
  LsCommand() : Command("ls", "List the groups in a group, and its files", kLsExamples) {}

  void declare(CLI::App& app) override {
    place_.declare(app);
    app.add_flag("-l,--long", long_, "With mode, owner and group");
    app.add_flag("--hierarchies", hierarchies_, "List the hierarchies instead");
    app.add_flag("--json", json_, "Print JSON");
    target_.declare(app);
  }

  int run() override {
    const auto path = place_.open(target_);
    if (!path) return target_.status();
    if (hierarchies_) return list_hierarchies();
    const auto list = target_.ask(target_.request(Op::kList, *path), target_.shown(*path));
    if (!list) return target_.status();
    if (json_) return print_json(list->entries);
    return long_ ? print_long(list->entries) : print_names(list->entries);
  }

 private:
  int list_hierarchies();
  static int print_json(const std::vector<control::GroupEntry>& entries);
  static int print_long(const std::vector<control::GroupEntry>& entries);
  static int print_names(const std::vector<control::GroupEntry>& entries);

  GroupTarget target_{"group ls"};
  OptionalGroup place_;
  bool long_ = false, hierarchies_ = false, json_ = false;
};

int LsCommand::list_hierarchies() {
  const auto all = target_.ask(target_.request(Op::kHierarchies, ""), target_.shown(""));
  if (!all) return target_.status();
  nlohmann::json json = nlohmann::json::array();
  Table table({{"HIERARCHY", true}, {"NAME"}, {"SUBSYSTEMS"}});
  for (const control::GroupEntry& entry : all->entries) {
    const HierarchyName hierarchy = parse_hierarchy(entry.name);
    json.push_back(hierarchy_json(hierarchy));
    table.add({{std::to_string(hierarchy.id), Style::kBold},
               {hierarchy.name.empty() ? "-" : hierarchy.name},
               {hierarchy.subsystems.empty() ? "-" : joined(hierarchy.subsystems)}});
  }
  if (json_) return print(json.dump(2) + "\n");
  return print(table.render(stdout_terminal()));
}

int LsCommand::print_json(const std::vector<control::GroupEntry>& entries) {
  nlohmann::json json = nlohmann::json::array();
  for (const control::GroupEntry& entry : entries) {
    json.push_back({{"name", entry.name},
                    {"kind", entry.is_group ? "group" : "file"},
                    {"mode", fmt::format("{:04o}", entry.mode)},
                    {"uid", entry.uid},
                    {"gid", entry.gid},
                    {"inode", entry.inode}});
  }
  return print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

int LsCommand::print_long(const std::vector<control::GroupEntry>& entries) {
  Table table({{"MODE"}, {"UID", true}, {"GID", true}, {"NAME"}});
  for (const control::GroupEntry& entry : entries) {
    table.add({{fmt::format("{:04o}", entry.mode), Style::kDim},
               {std::to_string(entry.uid)},
               {std::to_string(entry.gid)},
               {entry.name + (entry.is_group ? "/" : ""),
                entry.is_group ? Style::kCyan : Style::kPlain}});
  }
  return print(table.render(stdout_terminal()));
}

int LsCommand::print_names(const std::vector<control::GroupEntry>& entries) {
  const bool colour = stdout_terminal().colour;
  std::string out;
  for (const control::GroupEntry& entry : entries) {
    const std::string name = printable(entry.name);
    out += (entry.is_group ? styled(name, Style::kCyan, colour) + "/" : name) + "\n";
  }
  return print(out);
}

class TreeCommand : public Command {
 public:
  TreeCommand() : Command("tree", "Show the tree of groups, with what they use", kTreeExamples) {}

  void declare(CLI::App& app) override {
    place_.declare(app, "Container (default: all)");
    app.add_flag("--json", json_, "Print JSON");
    target_.declare(app);
  }

  int run() override;

 private:
  bool add(GroupTarget& target, const std::string& container, const std::string& top);
  void add_rows(const std::string& container, const std::vector<GroupSnapshot>& groups,
                const std::unordered_map<int, HierarchyName>& hierarchies);
  Table make_table(bool with_name) const;

  GroupTarget target_{"group tree"};
  OptionalGroup place_;
  bool json_ = false, all_ = false;
  Terminal terminal_ = stdout_terminal();
  std::optional<Table> table_;
  nlohmann::json out_ = nlohmann::json::array();
};

Table TreeCommand::make_table(bool with_name) const {
  std::vector<Column> columns = {{"GROUP", false, true}, {"TASKS", true}, {"OWN", true},
                                 {"LIMIT", true},        {"FORKS", true}, {"CPU", true},
                                 {"MEMORY", true},       {"STATE"}};
  if (with_name) columns.insert(columns.begin(), Column{"CONTAINER", false, true});
  return Table(columns);
}

int TreeCommand::run() {
  all_ = place_.empty() && !inside_container();
  table_ = make_table(all_);
  if (all_) {
    std::vector<control::ContainerInfo> containers;
    if (auto failure = fetch_containers("group tree", "", containers)) return report(*failure);
    for (const auto& container : containers) {
      GroupTarget target = std::move(target_);
      std::vector<std::string> words = {container.name};
      target_ = GroupTarget("group tree");
      if (!target.open(words, 0) || !add(target, container.name, "/")) return target.status();
    }
  } else {
    const auto path = place_.open(target_);
    if (!path || !add(target_, target_.container(), *path)) return target_.status();
  }
  if (!json_) return print(table_->render(terminal_));
  return print(out_.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

bool TreeCommand::add(GroupTarget& target, const std::string& container, const std::string& top) {
  auto names = target.ask(target.request(Op::kHierarchies, ""), container);
  if (!names) return false;
  auto reply = target.ask(target.request(Op::kSnapshot, ""), container);
  if (!reply) return false;
  const std::string below = top == "/" ? top : top + "/";
  std::erase_if(reply->groups, [&](const GroupSnapshot& group) {
    return (target.hierarchy() >= 0 && group.hierarchy != target.hierarchy()) ||
           (group.path != top && !group.path.starts_with(below));
  });
  if (reply->groups.empty()) {
    return target.fail({target.command(), target.shown(top), ENOENT,
                        "there is no such group; see 'warren group tree'"});
  }
  std::unordered_map<int, HierarchyName> hierarchies;
  nlohmann::json json_hierarchies = nlohmann::json::array(), json_groups = nlohmann::json::array();
  for (const control::GroupEntry& entry : names->entries) {
    const HierarchyName hierarchy = parse_hierarchy(entry.name);
    json_hierarchies.push_back(hierarchy_json(hierarchy));
    hierarchies[hierarchy.id] = hierarchy;
  }
  for (const GroupSnapshot& group : reply->groups) json_groups.push_back(control::to_json(group));
  if (json_) {
    out_.push_back(
        {{"name", container}, {"hierarchies", json_hierarchies}, {"groups", json_groups}});
  } else {
    add_rows(container, reply->groups, hierarchies);
  }
  return true;
}

void TreeCommand::add_rows(const std::string& container, const std::vector<GroupSnapshot>& groups,
                           const std::unordered_map<int, HierarchyName>& hierarchies) {
  std::unordered_map<std::string, std::size_t> index;
  const auto key = [](int hierarchy, const std::string& path) {
    return std::to_string(hierarchy) + path;
  };
  for (std::size_t i = 0; i < groups.size(); ++i)
    index[key(groups[i].hierarchy, groups[i].path)] = i;
  std::vector<std::size_t> parents(groups.size(), kNoParent);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::string& path = groups[i].path;
    if (path == "/") continue;
    const std::size_t slash = path.rfind('/');
    auto found = index.find(key(groups[i].hierarchy, slash == 0 ? "/" : path.substr(0, slash)));
    if (found != index.end()) parents[i] = found->second;
  }
  for (const Branch& branch : draw_tree(parents, terminal_.width != 0 ? kMaxDepthShown : 0)) {
    const GroupSnapshot& group = groups[branch.node];
    std::string name = group.path;
    if (parents[branch.node] != kNoParent) name = group.path.substr(group.path.rfind('/') + 1);
    auto hierarchy = hierarchies.find(group.hierarchy);
    if (parents[branch.node] == kNoParent && group.hierarchy != 0 &&
        hierarchy != hierarchies.end()) {
      const HierarchyName& of = hierarchy->second;
      name = (of.subsystems.empty() ? of.name : joined(of.subsystems)) + ":" + name;
    }
    std::vector<Cell> row = {
        {branch.prefix + name, Style::kBold},
        {std::to_string(group.tasks)},
        {std::to_string(group.own_tasks)},
        {group.pids_max < 0 ? "-" : std::to_string(group.pids_max)},
        {std::to_string(group.forks)},
        {top::time_text(group.cpu_usec)},
        {top::size_text(group.memory)},
        {group.frozen ? "frozen" : "-", group.frozen ? Style::kYellow : Style::kDim}};
    if (all_) row.insert(row.begin(), Cell{container, Style::kCyan});
    table_->add(std::move(row));
  }
}

}  // namespace

std::unique_ptr<Command> make_group_ls() { return std::make_unique<LsCommand>(); }
std::unique_ptr<Command> make_group_tree() { return std::make_unique<TreeCommand>(); }

}  // namespace warren::cli
