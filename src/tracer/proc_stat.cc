#include "tracer/proc_stat.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/unique_fd.h"

namespace warren {

ProcStat read_proc_stat(pid_t tid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", tid);
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  char text[1024];
  const ssize_t length = file.ok() ? read(file.get(), text, sizeof text - 1) : -1;
  if (length <= 0) return {};
  text[length] = 0;
  // The command may contain anything; the last parenthesis ends it.
  const char* const end = std::strrchr(text, ')');
  ProcStat stat;
  unsigned long user = 0;
  unsigned long system = 0;
  if (!end || std::sscanf(end + 1,
                          " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu"
                          " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
                          " %*s %*s %*s %d",
                          &stat.state, &stat.parent, &user, &system, &stat.processor) != 5) {
    return {};
  }
  stat.children_user = user;
  stat.children_system = system;
  // The last field of all.
  if (const char* const last = std::strrchr(end, ' ')) stat.exit_code = std::atoi(last);
  return stat;
}

namespace {

// The number behind a field's name and a tab; nothing: it is another field's line.
std::optional<std::uint64_t> field(const char* line, std::string_view name, int base) {
  if (std::strncmp(line, name.data(), name.size()) != 0) return std::nullopt;
  return std::strtoull(line + name.size(), nullptr, base);
}

}  // namespace

ProcStatus read_proc_status(pid_t tid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/status", tid);
  FILE* file = std::fopen(path, "re");
  if (!file) return {};
  char line[256];
  ProcStatus status;
  while (std::fgets(line, sizeof line, file)) {
    if (const auto process = field(line, "Tgid:", 10))
      status.process = static_cast<pid_t>(*process);
    if (const auto parent = field(line, "PPid:", 10)) status.parent = static_cast<pid_t>(*parent);
    if (const auto blocked = field(line, "SigBlk:", 16)) status.blocked = *blocked;
    if (const auto ignored = field(line, "SigIgn:", 16)) status.ignored = *ignored;
    if (const auto caught = field(line, "SigCgt:", 16)) status.caught = *caught;
    if (const auto filters = field(line, "Seccomp_filters:", 10)) {
      status.filters = static_cast<int>(*filters);
      break;
    }
  }
  std::fclose(file);
  return status;
}

std::vector<pid_t> read_proc_children(pid_t pid, pid_t tid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, tid);
  std::vector<pid_t> children;
  FILE* file = std::fopen(path, "re");
  if (!file) return children;
  int child = 0;
  while (std::fscanf(file, "%d", &child) == 1) children.push_back(child);
  std::fclose(file);
  return children;
}

}  // namespace warren
