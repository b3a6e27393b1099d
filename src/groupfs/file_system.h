// FileSystem: a hierarchy of groups as directories and files.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "groupfs/file_numbers.h"
#include "groupfs/fuse_api.h"
#include "groupfs/poll_handles.h"
#include "warren/groups.h"

namespace warren::groupfs {

// Who a process of the host (a thread's number will do) is: its namespace, besides its ids.
using CallerLookup = std::function<GroupCaller(pid_t host, uid_t uid, gid_t gid)>;

// What one mount shows. Why a class: it knows which groups the kernel holds inodes of, and which
// files are open. Permissions are the kernel's to check (default_permissions); errors are those of
// cgroup v1, but that opening a file for what it cannot do is EACCES, as in v2.
//
// Owner: Session, whose threads call it. Thread-safe; its lock is a leaf.
class FileSystem {
 public:
  // References stay valid as long as this.
  struct Shared {
    Groups& groups;
    CallerLookup caller;
    FileNumbers numbers;
    PollHandles polls;
  };
  // `table`: has the device.
  FileSystem(Shared& shared, GroupRef root, FileTable& table);
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  ~FileSystem() { close_all(); }
  // What the kernel has not closed, since the session was ended by force. No request runs
  // meanwhile.
  void close_all();

  // The user data of a session with these has to be a FileSystem.
  static fuse_lowlevel_ops operations();

 private:
  friend struct Requests;

  // A directory (no file) or a file.
  struct Node {
    GroupRef group;
    std::string file;
    bool is_directory() const { return file.empty(); }
  };
  // One that the kernel holds, and how many times it was told of it.
  struct Known {
    Node node;
    std::uint64_t lookups = 0;
  };
  struct OpenFile {
    Node node;
    std::shared_ptr<PolledFile> polled;
    std::mutex mutex;
    std::string text;  // guarded by mutex, as is what follows: as read last from the beginning
    bool was_read = false;
    // Of the text, so that poll(2) tells of changes since. At first that of no file: what was never
    // read has changed.
    std::atomic<std::uint64_t> generation{~std::uint64_t{0}};
  };
  struct Entry {
    std::string name;
    std::uint64_t inode;
    mode_t type;
  };
  struct OpenDirectory {
    GroupRef group;
    std::mutex mutex;
    std::vector<Entry> entries;  // guarded by mutex
  };

  std::optional<Node> find(fuse_ino_t ino) const;
  // The directory with that inode, or null.
  GroupRef find_directory(fuse_ino_t ino) const;
  // What a name in a directory stands for.
  std::optional<Node> child(Group& parent, const std::string& name) const;
  std::uint64_t inode_of(const Node& node) const;
  struct stat stat_of(const Node& node) const;
  std::vector<Entry> list(Group& group) const;
  Result<void> set_attributes(const Node& node, const struct stat& wanted, int which,
                              const fuse_ctx& context);
  GroupCaller caller_of(const fuse_ctx& context) const;
  // As Groups::may_change().
  Result<void> may_change(Group& group, const fuse_ctx& context,
                          GroupChange change = GroupChange::kItself) const;
  // Counts one more lookup, and fills in what the kernel is told.
  fuse_entry_param remember(const Node& node);
  void forget(fuse_ino_t ino, std::uint64_t lookups);

  OpenFile& add_open(Node node);
  void close(OpenFile& file);
  Result<std::string> read(OpenFile& file, std::size_t size, off_t offset, const fuse_ctx& context);
  Result<void> write(OpenFile& file, std::string_view text, const fuse_ctx& context);
  // The events that poll(2) finds now.
  unsigned poll(OpenFile& file, fuse_pollhandle* handle);

  Shared& shared_;
  Groups& groups_;
  FileTable& table_;
  const GroupRef root_;
  const std::uint64_t root_inode_;
  const timespec made_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::unordered_map<fuse_ino_t, Known> known_;
  std::unordered_map<OpenFile*, std::unique_ptr<OpenFile>> open_files_;
  std::unordered_map<OpenDirectory*, std::unique_ptr<OpenDirectory>> open_directories_;
};

}  // namespace warren::groupfs
