#include "control/group_wire.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace warren::control {
namespace {

using Op = GroupRequest::Op;

constexpr std::array<std::pair<Op, const char*>, 14> kOps = {{
    {Op::kHierarchies, "hierarchies"},
    {Op::kList, "list"},
    {Op::kRead, "read"},
    {Op::kWrite, "write"},
    {Op::kWait, "wait"},
    {Op::kMake, "make"},
    {Op::kRemove, "remove"},
    {Op::kRename, "rename"},
    {Op::kSetAttributes, "attributes"},
    {Op::kSnapshot, "snapshot"},
    {Op::kMount, "mount"},
    {Op::kUnmount, "unmount"},
    {Op::kReshare, "reshare"},
    {Op::kMoveNamespace, "namespace"},
}};

const char* op_name(Op op) {
  return std::find_if(kOps.begin(), kOps.end(), [op](auto& each) { return each.first == op; })
      ->second;
}

std::optional<Op> op_by_name(std::string_view name) {
  auto found =
      std::find_if(kOps.begin(), kOps.end(), [name](auto& each) { return each.second == name; });
  if (found == kOps.end()) return std::nullopt;
  return found->first;
}

// Strings one after the other in the blob, their sizes in the body.
class StringWriter {
 public:
  void add(std::string_view text) {
    sizes_.push_back(text.size());
    blob_ += text;
  }
  GroupMessage finish(nlohmann::json body) {
    body["sizes"] = sizes_;
    return {std::move(body), std::move(blob_)};
  }

 private:
  std::vector<std::size_t> sizes_;
  std::string blob_;
};

class StringReader {
 public:
  StringReader(const nlohmann::json& body, std::string_view blob)
      : sizes_(body.at("sizes").get<std::vector<std::size_t>>()), blob_(blob) {}

  std::string next() {
    if (at_ == sizes_.size() || sizes_[at_] > blob_.size()) {
      good_ = false;
      return "";
    }
    std::string text(blob_.substr(0, sizes_[at_]));
    blob_.remove_prefix(sizes_[at_++]);
    return text;
  }
  // All strings were there, and nothing else.
  bool good() const { return good_ && at_ == sizes_.size() && blob_.empty(); }

 private:
  std::vector<std::size_t> sizes_;
  std::string_view blob_;
  std::size_t at_ = 0;
  bool good_ = true;
};

// What --json shows of a group, and the wire too; the path apart.
nlohmann::json numbers_of(const GroupSnapshot& group) {
  return {{"hierarchy", group.hierarchy}, {"own_tasks", group.own_tasks},
          {"tasks", group.tasks},         {"cpu_usec", group.cpu_usec},
          {"memory", group.memory},       {"forks", group.forks},
          {"pids_max", group.pids_max},   {"frozen", group.frozen},
          {"processes", group.processes}};
}

}  // namespace

GroupMessage encode_group_request(const GroupRequest& request) {
  StringWriter strings;
  strings.add(request.path);
  strings.add(request.file);
  strings.add(request.text);
  return strings.finish({{"op", "group"},
                         {"do", op_name(request.op)},
                         {"hierarchy", request.hierarchy},
                         {"parents", request.parents},
                         {"pid", request.pid},
                         {"other", request.other},
                         {"inode", request.inode},
                         {"uid", request.uid},
                         {"gid", request.gid},
                         {"mode", request.mode},
                         {"generation", request.generation},
                         {"wait_ms", request.wait_ms}});
}

Result<GroupRequest> decode_group_request(const nlohmann::json& body, std::string_view blob) try {
  GroupRequest request;
  const std::optional<Op> op = op_by_name(body.at("do").get<std::string>());
  if (!op) return Errno{EOPNOTSUPP};
  request.op = *op;
  StringReader strings(body, blob);
  request.path = strings.next();
  request.file = strings.next();
  request.text = strings.next();
  if (!strings.good()) return Errno{EPROTO};
  body.at("hierarchy").get_to(request.hierarchy);
  body.at("parents").get_to(request.parents);
  body.at("pid").get_to(request.pid);
  body.at("other").get_to(request.other);
  body.at("inode").get_to(request.inode);
  body.at("uid").get_to(request.uid);
  body.at("gid").get_to(request.gid);
  body.at("mode").get_to(request.mode);
  body.at("generation").get_to(request.generation);
  body.at("wait_ms").get_to(request.wait_ms);
  return request;
} catch (const nlohmann::json::exception&) {
  return Errno{EPROTO};
}

GroupMessage encode_group_reply(const GroupReply& reply) {
  StringWriter strings;
  strings.add(reply.text);
  nlohmann::json entries = nlohmann::json::array(), groups = nlohmann::json::array();
  for (const GroupEntry& entry : reply.entries) {
    strings.add(entry.name);
    entries.push_back({{"is_group", entry.is_group},
                       {"mode", entry.mode},
                       {"uid", entry.uid},
                       {"gid", entry.gid},
                       {"inode", entry.inode}});
  }
  for (const GroupSnapshot& group : reply.groups) {
    strings.add(group.path);
    groups.push_back(numbers_of(group));
  }
  return strings.finish({{"ok", true},
                         {"generation", reply.generation},
                         {"entries", std::move(entries)},
                         {"groups", std::move(groups)}});
}

Result<GroupReply> decode_group_reply(const nlohmann::json& body, std::string_view blob) try {
  GroupReply reply;
  StringReader strings(body, blob);
  reply.text = strings.next();
  body.at("generation").get_to(reply.generation);
  for (const auto& item : body.at("entries")) {
    GroupEntry& entry = reply.entries.emplace_back();
    entry.name = strings.next();
    item.at("is_group").get_to(entry.is_group);
    item.at("mode").get_to(entry.mode);
    item.at("uid").get_to(entry.uid);
    item.at("gid").get_to(entry.gid);
    item.at("inode").get_to(entry.inode);
  }
  for (const auto& item : body.at("groups")) {
    GroupSnapshot& group = reply.groups.emplace_back();
    group.path = strings.next();
    item.at("hierarchy").get_to(group.hierarchy);
    item.at("own_tasks").get_to(group.own_tasks);
    item.at("tasks").get_to(group.tasks);
    item.at("cpu_usec").get_to(group.cpu_usec);
    item.at("memory").get_to(group.memory);
    item.at("forks").get_to(group.forks);
    item.at("pids_max").get_to(group.pids_max);
    item.at("frozen").get_to(group.frozen);
    item.at("processes").get_to(group.processes);
  }
  if (!strings.good()) return Errno{EPROTO};
  return reply;
} catch (const nlohmann::json::exception&) {
  return Errno{EPROTO};
}

nlohmann::json to_json(const GroupSnapshot& group) {
  nlohmann::json json = numbers_of(group);
  json["path"] = group.path;
  return json;
}

}  // namespace warren::control
