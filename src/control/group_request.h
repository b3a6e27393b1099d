// What the commands ask of a container's groups over the control socket (include/warren/groups.h).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace warren::control {

// One operation on the tree of groups. Which fields count stands with each.
struct GroupRequest {
  enum class Op {
    kHierarchies,    // -> entries: name "ID:subsystems:NAME", inode the id
    kList,           // hierarchy, path -> entries: child groups and files
    kRead,           // hierarchy, path, file -> text
    kWrite,          // hierarchy, path, file, text
    kWait,           // hierarchy, path, file, generation: until that of the file is another, for at
                     // most wait_ms -> text as kRead, generation
    kMake,           // hierarchy, path, mode; parents too if `parents`
    kRemove,         // hierarchy, path; what is below it too if `parents`
    kRename,         // hierarchy, path, text: the new name
    kSetAttributes,  // hierarchy, path, file, uid, gid, mode
    kSnapshot,       // -> groups: all groups of all hierarchies, parents first
    kMount,          // text: options, path: an absolute directory -> text: the hierarchy's id
    kUnmount,        // path: the directory
    kReshare,  // pid, text: a subsystem; path "/a/b": into that group, or other: like that task
    kMoveNamespace,  // pid, inode: the target namespace; children too if `parents` -> text: its
                     // number
  };
  Op op = Op::kHierarchies;
  int hierarchy = -1;  // -1: the one that the file's prefix is bound to, else the default one
  std::string path;
  std::string file;
  std::string text;
  bool parents = false;
  int pid = 0;  // numbers of tasks are those of the caller's namespace
  int other = 0;
  std::uint64_t inode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0755;
  std::uint64_t generation = 0;  // Groups::file_generation(); that of no file is ~0
  int wait_ms = 0;               // the server allows a second
};

struct GroupEntry {
  std::string name;
  bool is_group = false;
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t inode = 0;
};

// One group at one moment, for `warren group tree` and `warren top`. Numbers are sums over the
// group and all below it, except `own_tasks`.
struct GroupSnapshot {
  int hierarchy = 0;
  std::string path;
  int own_tasks = 0;  // threads in the group itself
  int tasks = 0;
  std::uint64_t cpu_usec = 0;
  std::uint64_t memory = 0;    // bytes
  std::uint64_t forks = 0;     // since the group was made
  std::int64_t pids_max = -1;  // -1: none
  bool frozen = false;
  std::vector<int> processes;  // of the group itself, as the caller's namespace numbers them
};

struct GroupReply {
  std::string text;
  std::uint64_t generation = 0;
  std::vector<GroupEntry> entries;
  std::vector<GroupSnapshot> groups;
};

}  // namespace warren::control
