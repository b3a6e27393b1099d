#include "cli/group_target.h"

#include <algorithm>
#include <charconv>

#include "cli/containers.h"
#include "cli/inside.h"

namespace warren::cli {
namespace {

using control::GroupRequest;
using Op = GroupRequest::Op;

constexpr int kWaitStep = 1000;  // milliseconds that one request waits at most

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    std::size_t end = std::min(text.find(separator, at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool has_line(const std::string& text, const std::string& line) {
  const auto all = split(text, '\n');
  return std::find(all.begin(), all.end(), line) != all.end();
}

}  // namespace

HierarchyName parse_hierarchy(const std::string& text) {
  HierarchyName hierarchy;
  std::size_t first = std::min(text.find(':'), text.size());
  std::size_t second = std::min(text.find(':', first + 1), text.size());
  std::from_chars(text.data(), text.data() + first, hierarchy.id);
  if (first < second) hierarchy.subsystems = split(text.substr(first + 1, second - first - 1), ',');
  if (second < text.size()) hierarchy.name = text.substr(second + 1);
  return hierarchy;
}

std::optional<std::pair<std::string, std::string>> parse_setting(const std::string& text) {
  std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) return std::nullopt;
  return std::pair{text.substr(0, equals), text.substr(equals + 1)};
}

std::optional<int> parse_pid(const std::string& text) {
  int pid = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size() || pid < 1) return std::nullopt;
  return pid;
}

int bad_pid(const std::string& what, const std::string& text) {
  return report({what, text, EINVAL, "give the number of a process, as 'warren ps' shows it"});
}

bool move_task(GroupTarget& target, const std::string& path, const std::string& file,
               const std::string& pid) {
  GroupRequest write = target.request(Op::kWrite, path);
  write.file = file;
  write.text = pid;
  return target.ask(write, target.shown(path) + ": " + pid).has_value();
}

std::string group_path(const std::string& text) {
  std::string path;
  for (const std::string& name : split(text, '/')) path += "/" + name;
  return path.empty() ? "/" : path;
}

void GroupTarget::declare(CLI::App& app) {
  app.add_option("-H,--hierarchy", hierarchy_text_,
                 "Its number, its name or a subsystem bound to it (default: the default one, or "
                 "the file's)")
      ->type_name("H");
}

bool GroupTarget::fail(const Failure& failure) {
  status_ = report(failure);
  return false;
}

void OptionalGroup::declare(CLI::App& app, const std::string& of_name) {
  app.add_option("NAME", first_, of_name);
  app.add_option("GROUP", second_, "Group in it (default: the root)");
}

std::optional<std::string> OptionalGroup::open(GroupTarget& target) const {
  std::vector<std::string> words;
  for (const std::string& word : {first_, second_}) {
    if (!word.empty()) words.push_back(word);
  }
  if (!target.open(words, 0)) return std::nullopt;
  if (words.size() > 1) {
    target.fail({target.command(), words[1], 0,
                 "one argument too many; see 'warren " + target.command() + " --help'"});
    return std::nullopt;
  }
  return group_path(words.empty() ? "/" : words[0]);
}

std::string GroupTarget::shown(const std::string& path) const { return container_ + ":" + path; }

bool GroupTarget::open(std::vector<std::string>& words, std::size_t least) {
  Place place;
  const bool inside = inside_container(&place);
  std::string name;
  if (!words.empty() && !words[0].starts_with('/') && (least == 0 || words.size() > least) &&
      (!inside || words[0] == "." || words[0] == place.container)) {
    name = words[0];
    words.erase(words.begin());
  }
  if (name.empty() && !inside) {
    std::vector<control::ContainerInfo> containers;
    if (auto failure = fetch_containers(command_, "", containers)) return fail(*failure);
    if (containers.empty()) {
      return fail({command_, "", 0, "no container is running; start one with 'warren run'"});
    }
    if (containers.size() > 1) {
      return fail({command_, "", 0, "several containers are running: name one; see 'warren ps'"});
    }
    name = containers[0].name;
  }
  container_ = inside ? place.container : name;
  return connect(name) && resolve_hierarchy();
}

bool GroupTarget::connect(std::string name) {
  Connected connected = connect_container(command_, name);
  if (!connected.client) return fail(connected.failure);
  client_ = std::move(connected.client);
  return true;
}

bool GroupTarget::resolve_hierarchy() {
  if (hierarchy_text_.empty()) return true;
  auto all = ask(request(Op::kHierarchies, ""), container_);
  if (!all) return false;
  for (const control::GroupEntry& entry : all->entries) {
    const HierarchyName hierarchy = parse_hierarchy(entry.name);
    const auto& bound = hierarchy.subsystems;
    if (hierarchy_text_ == std::to_string(hierarchy.id) || hierarchy_text_ == hierarchy.name ||
        std::find(bound.begin(), bound.end(), hierarchy_text_) != bound.end()) {
      hierarchy_ = hierarchy.id;
      return true;
    }
  }
  return fail({command_ + ": --hierarchy", hierarchy_text_, ENOENT,
               "'warren group ls --hierarchies' lists them"});
}

bool GroupTarget::prefer_hierarchy_of(const std::string& subsystem) {
  if (hierarchy_ >= 0) return true;
  hierarchy_text_ = subsystem;
  return resolve_hierarchy();
}

GroupRequest GroupTarget::request(Op op, const std::string& path) const {
  GroupRequest request;
  request.op = op;
  request.hierarchy = hierarchy_;
  request.path = path;
  return request;
}

std::optional<control::GroupReply> GroupTarget::ask(const GroupRequest& request,
                                                    const std::string& on) {
  control::Refusal refusal;
  auto reply = client_->group(request, &refusal);
  if (reply) return std::move(*reply);
  refuse(request, on, refusal);
  return std::nullopt;
}

bool GroupTarget::refuse(const GroupRequest& request, const std::string& on,
                         const control::Refusal& refusal) {
  Failure failure = refused(command_, on, refusal);
  if (failure.advice.empty()) failure.advice = advice(request, refusal);
  return fail(failure);
}

// What to do about it; asks once more where only that tells what is missing.
std::string GroupTarget::advice(const GroupRequest& request, const control::Refusal& refusal) {
  const bool of_file = !request.file.empty();
  switch (refusal.error) {
    case ENODEV:
    case ENOENT: {
      GroupRequest list = request;
      list.op = Op::kList;
      if (of_file && client_->group(list, nullptr)) {
        return "there is no such file; see 'warren group ls'";
      }
      return "there is no such group; see 'warren group tree'";
    }
    case EEXIST:
      return "there is such a group already";
    case EBUSY:
      if (request.op != Op::kRemove) return "";
      if (request.path == "/") return "the root stays";
      return "it has tasks or groups; see 'warren group procs -r', and --recursive";
    case EACCES:
      if (request.op == Op::kRead) return "this file is only for writing";
      if (of_file) return "this file is only for reading, or its group another user's";
      return "it is another user's";
    case EPERM:
      return "a guest changes only groups below its own namespace's, of tasks that it sees";
    case EINVAL:
    case ERANGE:
      return of_file ? "the file does not take this value; see 'man warren-group'" : "";
    case EAGAIN:
      if (request.op != Op::kMake) return "";
      return "cgroup.max.depth or cgroup.max.descendants of a group above allows no more";
    case EOPNOTSUPP:
    case ENOSYS:
      return "its supervisor does not know this; it is of another version";
    default:
      return "";
  }
}

bool GroupTarget::write(const std::string& path, const std::string& file, const std::string& text) {
  GroupRequest write = request(Op::kWrite, path);
  write.file = file;
  write.text = text;
  return ask(write, shown(path) + ": " + file + "=" + text).has_value();
}

std::optional<std::string> GroupTarget::read(const std::string& path, const std::string& file) {
  GroupRequest read = request(Op::kRead, path);
  read.file = file;
  auto reply = ask(read, shown(path) + ": " + file);
  if (!reply) return std::nullopt;
  return std::move(reply->text);
}

bool GroupTarget::wait_for_event(const std::string& path, const std::string& line, bool end_too) {
  GroupRequest wait = request(Op::kWait, path);
  wait.file = "cgroup.events";
  wait.generation = ~std::uint64_t{0};
  for (;;) {
    control::Refusal refusal;
    auto reply = client_->group(wait, &refusal);
    if (!reply && refusal.what.empty() && end_too) return true;
    if (!reply) return refuse(wait, shown(path), refusal);
    if (has_line(reply->text, line)) return true;
    wait.generation = reply->generation;
    wait.wait_ms = kWaitStep;
  }
}

}  // namespace warren::cli
