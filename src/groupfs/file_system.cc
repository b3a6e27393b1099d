#include "groupfs/file_system.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace warren::groupfs {

namespace {

// kernfs: what one write(2) may bring to a control file.
constexpr std::size_t kMaxWrite = 4096;

timespec now() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

}  // namespace

FileSystem::FileSystem(Shared& shared, GroupRef root, FileTable& table)
    : shared_(shared),
      groups_(shared.groups),
      table_(table),
      root_(std::move(root)),
      root_inode_(FileNumbers::inode(root_->id(), 0)),
      made_(now()) {}

void FileSystem::close_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [raw, file] : open_files_) shared_.polls.forget(file->polled);
  open_files_.clear();
  open_directories_.clear();
}

std::optional<FileSystem::Node> FileSystem::find(fuse_ino_t ino) const {
  if (ino == FUSE_ROOT_ID) return Node{root_, ""};
  const std::lock_guard lock(mutex_);
  const auto it = known_.find(ino);
  if (it == known_.end()) return std::nullopt;
  return it->second.node;
}

GroupRef FileSystem::find_directory(fuse_ino_t ino) const {
  const auto node = find(ino);
  return node && node->is_directory() ? node->group : GroupRef();
}

std::optional<FileSystem::Node> FileSystem::child(Group& parent, const std::string& name) const {
  if (!parent.alive()) return std::nullopt;
  if (groups_.file_mode(parent, name)) {
    if (!shared_.numbers.number(name)) return std::nullopt;
    return Node{GroupRef(&parent), name};
  }
  GroupRef group = groups_.find(parent, name);
  if (!group) return std::nullopt;
  return Node{std::move(group), ""};
}

std::uint64_t FileSystem::inode_of(const Node& node) const {
  return FileNumbers::inode(node.group->id(), *shared_.numbers.number(node.file));
}

struct stat FileSystem::stat_of(const Node& node) const {
  struct stat st {};
  const GroupAttributes attributes = groups_.attributes(*node.group, node.file);
  st.st_ino = inode_of(node);
  st.st_uid = attributes.uid;
  st.st_gid = attributes.gid;
  st.st_mode = (attributes.mode & 07777) | (node.is_directory() ? S_IFDIR : S_IFREG);
  // find(1) trusts it to count the directories below.
  st.st_nlink = 1;
  if (node.is_directory()) st.st_nlink = 2 + groups_.children(*node.group).size();
  st.st_atim = st.st_mtim = st.st_ctim = made_;
  st.st_blksize = 4096;
  return st;
}

std::vector<FileSystem::Entry> FileSystem::list(Group& group) const {
  // A directory that was removed is empty, as everywhere.
  if (!group.alive()) return {};
  std::vector<Entry> entries;
  const Group* above = group.parent() != nullptr && &group != root_.get() ? group.parent() : &group;
  entries.push_back({".", FileNumbers::inode(group.id(), 0), S_IFDIR});
  entries.push_back({"..", FileNumbers::inode(above->id(), 0), S_IFDIR});
  for (std::string& file : groups_.files(group)) {
    if (const auto number = shared_.numbers.number(file)) {
      entries.push_back({std::move(file), FileNumbers::inode(group.id(), *number), S_IFREG});
    }
  }
  for (const GroupRef& child : groups_.children(group)) {
    entries.push_back({child->name(), FileNumbers::inode(child->id(), 0), S_IFDIR});
  }
  return entries;
}

Result<void> FileSystem::set_attributes(const Node& node, const struct stat& wanted, int which,
                                        const fuse_ctx& context) {
  constexpr int kKept = FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID;
  // Sizes and times are not kept: a control file has none (`echo x >file` truncates it first).
  if ((which & kKept) == 0) return {};
  if (auto r = may_change(*node.group, context); !r) return r;
  const std::lock_guard lock(mutex_);
  GroupAttributes attributes = groups_.attributes(*node.group, node.file);
  if ((which & FUSE_SET_ATTR_MODE) != 0) attributes.mode = wanted.st_mode & 07777;
  if ((which & FUSE_SET_ATTR_UID) != 0) attributes.uid = wanted.st_uid;
  if ((which & FUSE_SET_ATTR_GID) != 0) attributes.gid = wanted.st_gid;
  return groups_.set_attributes(*node.group, node.file, attributes);
}

GroupCaller FileSystem::caller_of(const fuse_ctx& context) const {
  if (shared_.caller) return shared_.caller(context.pid, context.uid, context.gid);
  GroupCaller caller;
  caller.uid = context.uid;
  caller.gid = context.gid;
  return caller;
}

Result<void> FileSystem::may_change(Group& group, const fuse_ctx& context,
                                    GroupChange change) const {
  return groups_.may_change(group, caller_of(context), change);
}

fuse_entry_param FileSystem::remember(const Node& node) {
  fuse_entry_param entry{};  // no time-outs: groups change in other ways too
  entry.attr = stat_of(node);
  entry.ino = entry.attr.st_ino == root_inode_ ? FUSE_ROOT_ID : entry.attr.st_ino;
  const std::lock_guard lock(mutex_);
  Known& known = known_[entry.ino];
  if (known.lookups++ == 0) known.node = node;
  return entry;
}

void FileSystem::forget(fuse_ino_t ino, std::uint64_t lookups) {
  Node last;  // a group's end is for after the lock
  const std::lock_guard lock(mutex_);
  const auto it = known_.find(ino);
  if (it == known_.end()) return;
  it->second.lookups -= std::min(it->second.lookups, lookups);
  if (it->second.lookups != 0) return;
  last = std::move(it->second.node);
  known_.erase(it);
}

FileSystem::OpenFile& FileSystem::add_open(Node node) {
  auto file = std::make_unique<OpenFile>();
  file->polled = std::make_shared<PolledFile>(node.group->id(), node.file, table_);
  file->node = std::move(node);
  OpenFile& added = *file;
  const std::lock_guard lock(mutex_);
  open_files_.emplace(&added, std::move(file));
  return added;
}

void FileSystem::close(OpenFile& file) {
  shared_.polls.forget(file.polled);
  std::unique_ptr<OpenFile> closed;
  const std::lock_guard lock(mutex_);
  const auto it = open_files_.find(&file);
  closed = std::move(it->second);
  open_files_.erase(it);
}

Result<std::string> FileSystem::read(OpenFile& file, std::size_t size, off_t offset,
                                     const fuse_ctx& context) {
  const std::lock_guard lock(file.mutex);
  // One text for all parts that it is read in.
  if (offset == 0 || !file.was_read) {
    const std::uint64_t generation = groups_.file_generation(*file.node.group, file.node.file);
    auto text = groups_.read(*file.node.group, file.node.file, caller_of(context));
    if (!text) return text;
    file.text = std::move(*text);
    file.generation = generation;
    file.was_read = true;
  } else if (!file.node.group->alive()) {
    return Errno{ENODEV};
  }
  const auto from = static_cast<std::size_t>(offset);
  if (from >= file.text.size()) return std::string();
  return file.text.substr(from, size);
}

Result<void> FileSystem::write(OpenFile& file, std::string_view text, const fuse_ctx& context) {
  if (text.size() > kMaxWrite) return Errno{E2BIG};
  return groups_.write(*file.node.group, file.node.file, text, caller_of(context));
}

unsigned FileSystem::poll(OpenFile& file, fuse_pollhandle* handle) {
  // First the handle: of a change after this look the kernel is told.
  if (handle != nullptr) shared_.polls.watch(file.polled, handle);
  constexpr unsigned kAlways = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  constexpr unsigned kChanged = POLLPRI | POLLERR;  // as kernfs
  const Group& group = *file.node.group;
  if (!group.alive()) return kAlways | kChanged;
  const bool changed = groups_.file_generation(group, file.node.file) != file.generation;
  return changed ? kAlways | kChanged : kAlways;
}

}  // namespace warren::groupfs
