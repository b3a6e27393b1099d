#include "cli/top/batch.h"

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "cli/report.h"
#include "cli/text_width.h"
#include "cli/top/draw.h"

namespace warren::cli::top {
namespace {

nlohmann::json number_or_null(const std::optional<double>& number) {
  return number ? nlohmann::json(*number) : nlohmann::json();
}

nlohmann::json common(const Row& row) {
  return {{"cpu", number_or_null(row.cpu)},
          {"cpu_usec", row.cpu_usec},
          {"memory", row.memory},
          {"tasks", row.tasks}};
}

nlohmann::json task_json(const Row& row, const control::TaskInfo& task) {
  nlohmann::json json = common(row);
  json.erase("tasks");
  json.update({{"nrs", task.nrs},
               {"namespace", task.ns_inode},
               {"parent", task.parent_level0},
               {"state", task.state},
               {"threads", task.threads},
               {"comm", task.comm},
               {"cmdline", task.cmdline}});
  json["group"] = row.group.empty() ? nlohmann::json() : nlohmann::json(row.group);
  return json;
}

nlohmann::json namespace_json(const Row& row, const control::NamespaceInfo& ns) {
  nlohmann::json json = common(row);
  json.update({{"inode", ns.inode},
               {"level", ns.level},
               {"parent", ns.parent_inode},
               {"init", ns.init_level0},
               {"own_tasks", row.own_tasks},
               {"forks_per_second", number_or_null(row.forks)}});
  return json;
}

nlohmann::json group_json(const Row& row, const control::GroupSnapshot& group) {
  nlohmann::json json = common(row);
  json.update({{"hierarchy", group.hierarchy},
               {"path", group.path},
               {"own_tasks", group.own_tasks},
               {"forks", group.forks},
               {"forks_per_second", number_or_null(row.forks)},
               {"frozen", group.frozen},
               {"processes", group.processes}});
  json["pids_max"] = group.pids_max < 0 ? nlohmann::json() : nlohmann::json(group.pids_max);
  return json;
}

}  // namespace

std::string batch_text(const Ui& ui, const Terminal& terminal) {
  std::string text;
  for (const std::string& line : headings(ui.measurement(), ui.measurement().wall_time())) {
    std::string shown = printable(line);
    text += (terminal.width == 0 ? shown : fit(shown, terminal.width)) + "\n";
  }
  text += "\n";
  std::vector<ColumnSpec> columns = ui.columns();
  std::vector<Column> titles;
  for (const ColumnSpec& column : columns) {
    bool shrinks = column.field == Field::kName || column.field == Field::kGroup ||
                   column.field == Field::kContainer;
    titles.push_back({column.title, column.right, shrinks});
  }
  Table table(std::move(titles));
  for (const Shown& shown : ui.shown()) {
    const Row& row = ui.rows()[shown.row];
    std::vector<Cell> cells;
    for (const ColumnSpec& column : columns) {
      std::string cell = cell_text(row, column.field, ui.order().tree);
      if (column.field == Field::kName) cell = shown.prefix + cell;
      cells.push_back({std::move(cell), cell_style(row, column.field)});
    }
    table.add(std::move(cells));
  }
  return text + table.render(terminal);
}

std::string json_text(const Sample& sample, const Measurement& measurement) {
  nlohmann::json containers = nlohmann::json::array();
  // Rows stand in the order of what they were made from.
  auto task_row = measurement.rows(View::kTasks).begin();
  auto namespace_row = measurement.rows(View::kNamespaces).begin();
  auto group_row = measurement.rows(View::kGroups).begin();
  for (const ContainerSample& container : sample.containers) {
    nlohmann::json tasks = nlohmann::json::array(), namespaces = nlohmann::json::array();
    nlohmann::json groups;
    for (const auto& task : container.info.tasks) tasks.push_back(task_json(*task_row++, task));
    for (const auto& ns : container.info.namespaces) {
      namespaces.push_back(namespace_json(*namespace_row++, ns));
    }
    if (container.has_groups) {
      groups = nlohmann::json::array();
      for (const auto& group : container.groups) groups.push_back(group_json(*group_row++, group));
    }
    containers.push_back({{"name", container.info.name},
                          {"backend", container.info.backend},
                          {"supervisor", container.info.supervisor_pid},
                          {"started", container.info.started},
                          {"view_level", container.info.view_level},
                          {"groups", std::move(groups)},
                          {"namespaces", std::move(namespaces)},
                          {"tasks", std::move(tasks)}});
  }
  nlohmann::json out = {{"interval", measurement.seconds()},
                        {"time", sample.wall_time},
                        {"containers", std::move(containers)}};
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace warren::cli::top
