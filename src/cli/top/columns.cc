#include "cli/top/columns.h"

#include <fmt/format.h>

#include <array>

namespace warren::cli::top {
namespace {

constexpr ColumnSpec kContainerColumn = {Field::kContainer, "CONTAINER", "container", false, 14, 7};
constexpr ColumnSpec kNumbersColumn = {Field::kNumbers, "NUMBERS", "number", false, 18, 10};
constexpr ColumnSpec kInodeColumn = {Field::kInode, "NAMESPACE", "namespace", true, 12, 9};
constexpr ColumnSpec kLevelColumn = {Field::kLevel, "LEVEL", "level", true, 6, 3};
constexpr ColumnSpec kInitColumn = {Field::kInit, "INIT", "init", true, 8, 4};
constexpr ColumnSpec kGroupColumn = {Field::kGroup, "GROUP", "group", false, 16, 5};
constexpr ColumnSpec kStateColumn = {Field::kState, "S", "state", false, 2, 6};
constexpr ColumnSpec kGroupStateColumn = {Field::kState, "STATE", "state", false, 6, 7};
constexpr ColumnSpec kThreadsColumn = {Field::kTasks, "THR", "tasks", true, 5, 3};
constexpr ColumnSpec kTasksColumn = {Field::kTasks, "TASKS", "tasks", true, 7, 8};
constexpr ColumnSpec kOwnColumn = {Field::kOwn, "OWN", "own", true, 7, 2};
constexpr ColumnSpec kLimitColumn = {Field::kLimit, "LIMIT", "limit", true, 7, 3};
constexpr ColumnSpec kCpuColumn = {Field::kCpu, "%CPU", "cpu", true, 6, 10};
constexpr ColumnSpec kTimeColumn = {Field::kTime, "TIME", "time", true, 9, 4};
constexpr ColumnSpec kMemoryColumn = {Field::kMemory, "MEM", "memory", true, 6, 9};
constexpr ColumnSpec kForksColumn = {Field::kForks, "FORK/S", "forks", true, 7, 6};
constexpr ColumnSpec kPathColumn = {Field::kName, "GROUP", "name", false, 0, 11};
constexpr ColumnSpec kCommandColumn = {Field::kName, "COMMAND", "name", false, 0, 11};

constexpr std::array<const char*, 3> kViewWords = {"groups", "namespaces", "tasks"};

template <typename T>
int order(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

std::string text_or_dash(const std::string& text) { return text.empty() ? "-" : text; }

}  // namespace

std::vector<ColumnSpec> columns_of(View view, bool with_container, bool with_group) {
  std::vector<ColumnSpec> columns;
  if (with_container) columns.push_back(kContainerColumn);
  auto add = [&](std::initializer_list<ColumnSpec> more) { columns.insert(columns.end(), more); };
  switch (view) {
    case View::kGroups:
      add({kTasksColumn, kOwnColumn, kLimitColumn, kCpuColumn, kTimeColumn, kMemoryColumn,
           kForksColumn, kGroupStateColumn, kPathColumn});
      break;
    case View::kNamespaces:
      add({kInodeColumn, kLevelColumn, kInitColumn, kTasksColumn, kOwnColumn, kCpuColumn,
           kTimeColumn, kMemoryColumn, kForksColumn, kCommandColumn});
      break;
    case View::kTasks:
      add({kNumbersColumn});
      if (with_group) add({kGroupColumn});
      add({kStateColumn, kThreadsColumn, kCpuColumn, kTimeColumn, kMemoryColumn, kCommandColumn});
      break;
  }
  return columns;
}

std::string cell_text(const Row& row, Field field, bool tree) {
  switch (field) {
    case Field::kContainer:
      return row.container;
    case Field::kNumbers:
      return row.numbers;
    case Field::kInode:
      return std::to_string(row.inode);
    case Field::kLevel:
      return std::to_string(row.level);
    case Field::kInit:
      return row.init == 0 ? "-" : std::to_string(row.init);
    case Field::kGroup:
      return text_or_dash(row.group);
    case Field::kState:
      return text_or_dash(row.state);
    case Field::kTasks:
      return std::to_string(row.tasks);
    case Field::kOwn:
      return std::to_string(row.own_tasks);
    case Field::kLimit:
      return row.tasks_limit < 0 ? "-" : std::to_string(row.tasks_limit);
    case Field::kCpu:
      return rate_text(row.cpu);
    case Field::kTime:
      return time_text(row.cpu_usec);
    case Field::kMemory:
      return size_text(row.memory);
    case Field::kForks:
      return rate_text(row.forks);
    case Field::kName:
      return tree ? row.short_name : row.name;
  }
  return "";
}

Style cell_style(const Row& row, Field field) {
  switch (field) {
    case Field::kContainer:
      return Style::kCyan;
    case Field::kNumbers:
      return Style::kBold;
    case Field::kState:
      if (row.state == "R") return Style::kGreen;
      if (row.state == "Z" || row.state == "X") return Style::kRed;
      if (row.state == "frozen") return Style::kCyan;
      return row.state == "S" || row.state.empty() ? Style::kPlain : Style::kYellow;
    case Field::kCpu:
      return row.cpu && *row.cpu >= 50 ? Style::kGreen : Style::kPlain;
    case Field::kTasks:
      return row.tasks_limit >= 0 && row.tasks >= row.tasks_limit ? Style::kRed : Style::kPlain;
    case Field::kName:
      return row.init_task ? Style::kCyan : Style::kPlain;
    default:
      return Style::kPlain;
  }
}

int compare(const Row& a, const Row& b, Field field) {
  switch (field) {
    case Field::kContainer:
      return order(a.container, b.container);
    case Field::kNumbers:
    case Field::kInode:
      return order(a.order, b.order);
    case Field::kLevel:
      return order(a.level, b.level);
    case Field::kInit:
      return order(a.init, b.init);
    case Field::kGroup:
      return order(a.group, b.group);
    case Field::kState:
      return order(a.state, b.state);
    case Field::kTasks:
      return order(a.tasks, b.tasks);
    case Field::kOwn:
      return order(a.own_tasks, b.own_tasks);
    case Field::kLimit:
      return order(a.tasks_limit, b.tasks_limit);
    case Field::kCpu:
      return order(a.cpu.value_or(-1), b.cpu.value_or(-1));
    case Field::kTime:
      return order(a.cpu_usec, b.cpu_usec);
    case Field::kMemory:
      return order(a.memory, b.memory);
    case Field::kForks:
      return order(a.forks.value_or(-1), b.forks.value_or(-1));
    case Field::kName:
      if (a.target.kind == View::kGroups && a.order != b.order) return order(a.order, b.order);
      return order(a.name, b.name);
  }
  return 0;
}

bool descends(Field field) {
  switch (field) {
    case Field::kTasks:
    case Field::kOwn:
    case Field::kLimit:
    case Field::kCpu:
    case Field::kTime:
    case Field::kMemory:
    case Field::kForks:
      return true;
    default:
      return false;
  }
}

std::optional<Field> field_named(View view, std::string_view word) {
  for (const ColumnSpec& column : columns_of(view, true, true)) {
    if (word == column.word) return column.field;
  }
  return std::nullopt;
}

std::string field_words(View view) {
  std::string words;
  for (const ColumnSpec& column : columns_of(view, true, true)) {
    words += (words.empty() ? "" : ", ") + std::string(column.word);
  }
  return words;
}

std::optional<View> view_named(std::string_view word) {
  for (size_t i = 0; i < kViewWords.size(); ++i) {
    if (word == kViewWords[i]) return static_cast<View>(i);
  }
  return std::nullopt;
}

const char* view_word(View view) { return kViewWords[static_cast<size_t>(view)]; }

std::string size_text(uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes);
  double size = static_cast<double>(bytes);
  for (char unit : {'K', 'M', 'G', 'T', 'P', 'E'}) {
    size /= 1024;
    if (size < 9.95) return fmt::format("{:.1f}{}", size, unit);
    if (size < 999.5) return fmt::format("{:.0f}{}", size, unit);
  }
  return "-";
}

std::string time_text(uint64_t usec) {
  uint64_t seconds = usec / 1'000'000;
  if (seconds < 3600) {
    return fmt::format("{}:{:02}.{:02}", seconds / 60, seconds % 60, usec / 10'000 % 100);
  }
  if (seconds < 100 * 3600) {
    return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  }
  return fmt::format("{}d{:02}h", seconds / 86400, seconds / 3600 % 24);
}

std::string rate_text(std::optional<double> rate) {
  if (!rate) return "-";
  return *rate < 999.95 ? fmt::format("{:.1f}", *rate) : fmt::format("{:.0f}", *rate);
}

std::string interval_text(double seconds) { return fmt::format("{:.3g}", seconds); }

}  // namespace warren::cli::top
