#include "control/ns_selector.h"

#include <charconv>
#include <optional>

namespace warren::control {
namespace {

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// The only namespace for which `matches` is true.
template <typename Predicate>
Result<uint64_t> only(const ContainerInfo& view, Predicate matches) {
  uint64_t found = 0;
  for (const NamespaceInfo& ns : view.namespaces) {
    if (!matches(ns)) continue;
    if (found != 0) return Errno{ENOTUNIQ};
    found = ns.inode;
  }
  if (found == 0) return Errno{ESRCH};
  return found;
}

// The namespace below `parent` whose init has the number `nr` there.
Result<uint64_t> child_by_init(const ContainerInfo& view, const NamespaceInfo& parent, int nr) {
  for (const TaskInfo& task : view.tasks) {
    size_t index = parent.level - view.view_level;
    if (!task.is_init || task.level != parent.level + 1 || index >= task.nrs.size()) continue;
    if (task.nrs[index] != nr) continue;
    for (const NamespaceInfo& ns : view.namespaces) {
      if (ns.inode == task.ns_inode && ns.parent_inode == parent.inode) return ns.inode;
    }
  }
  return Errno{ESRCH};
}

const NamespaceInfo* find(const ContainerInfo& view, uint64_t inode) {
  for (const NamespaceInfo& ns : view.namespaces) {
    if (ns.inode == inode) return &ns;
  }
  return nullptr;
}

Result<uint64_t> resolve_path(const ContainerInfo& view, std::string_view path) {
  const NamespaceInfo* at = &view.namespaces.front();
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (part.empty() && path.empty()) break;
    auto nr = parse_number(part);
    if (!nr || *nr > INT32_MAX) return Errno{EINVAL};
    auto child = child_by_init(view, *at, static_cast<int>(*nr));
    if (!child) return child.error();
    at = find(view, *child);
  }
  return at->inode;
}

}  // namespace

Target split_target(std::string_view text) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

Result<uint64_t> resolve_selector(const ContainerInfo& view, std::string_view selector) {
  if (view.namespaces.empty()) return Errno{ESRCH};
  if (selector.empty()) return view.namespaces.front().inode;
  if (selector.front() == '/') return resolve_path(view, selector);
  if (auto number = parse_number(selector)) {
    if (find(view, *number) != nullptr) return *number;
    return only(
        view, [&](const NamespaceInfo& ns) { return static_cast<uint64_t>(ns.level) == *number; });
  }
  return only(view, [&](const NamespaceInfo& ns) { return ns.name == selector; });
}

}  // namespace warren::control
