#include "groupfs/group_mounts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace warren {

namespace {

using groupfs::MountPoint;
using groupfs::Session;

ino_t mount_namespace_of(pid_t process) {
  const std::string name = process == 0 ? "self" : std::to_string(process);
  struct stat st {};
  return stat(("/proc/" + name + "/ns/mnt").c_str(), &st) == 0 ? st.st_ino : 0;
}

// Without symbolic links, where this process can tell; without a slash at the end.
std::string cleaned(std::string dir, const MountPlace& place) {
  if (place.process == 0) {
    if (char* resolved = realpath(dir.c_str(), nullptr)) {
      dir = resolved;
      std::free(resolved);
    }
  }
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  return dir;
}

// What fusermount3 and the kernel take in a list of options.
std::string plain_source(const std::string& source) {
  const bool plain = std::all_of(source.begin(), source.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string("_.:/-").find(c) < 5;
  });
  return plain && !source.empty() ? source : "rcfs";
}

}  // namespace

GroupMounts::GroupMounts(Groups& groups, GroupCallerLookup caller)
    : groups_(groups), shared_{groups, std::move(caller), {}, {}} {}

Result<std::unique_ptr<GroupMounts>> GroupMounts::create(Groups& groups, GroupCallerLookup caller) {
  std::unique_ptr<GroupMounts> made(new GroupMounts(groups, std::move(caller)));
  groupfs::PollHandles& polls = made->shared_.polls;
  groups.set_change_listener(
      [&polls](Group& group, std::string_view file) { polls.changed(group.id(), file); });
  try {
    made->cleaner_ = std::thread([raw = made.get()] { raw->clean(); });
  } catch (const std::system_error&) {
    return Errno{EAGAIN};
  }
  return made;
}

GroupMounts::~GroupMounts() {
  unmount_all();
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (cleaner_.joinable()) cleaner_.join();
  groups_.set_change_listener(nullptr);
}

std::string GroupMounts::shown_options(const MountOptions& options, const Group& root) const {
  std::string text = "rw,nosuid,nodev,noexec,relatime";
  for (const Subsystem* subsystem : root.hierarchy().subsystems()) {
    text += ",";
    text += subsystem->name;
  }
  if (!options.release_agent.empty()) text += ",release_agent=" + options.release_agent;
  if (!root.hierarchy().name().empty()) text += ",name=" + root.hierarchy().name();
  return text;
}

Result<void> GroupMounts::mount(const std::string& dir, std::string_view options,
                                const MountPlace& place, std::string* reason) {
  if (!dir.starts_with('/')) return Errno{EINVAL};
  const auto wanted = MountOptions::parse(options);
  if (!wanted) return wanted.error();
  // It would run outside of the guest's container.
  if (place.process != 0 && !wanted->release_agent.empty()) return Errno{EPERM};
  const std::lock_guard changing(changing_);
  settle();
  auto root = groups_.mount(*wanted);
  if (!root) return root.error();
  const auto give_up = [&](Errno error) {
    groups_.unmount((*root)->hierarchy());
    return error;
  };
  GroupAttributes attributes = groups_.attributes(**root);
  if (attributes.uid == 0 && geteuid() != 0) {
    attributes.uid = geteuid();
    attributes.gid = getegid();
    if (auto set = groups_.set_attributes(**root, "", attributes); !set) {
      return give_up(set.error());
    }
  }

  Mount mount;
  mount.shown = {cleaned(dir, place), place.source, place.type, shown_options(*wanted, **root),
                 (*root)->hierarchy().id()};
  mount.mount_namespace = mount_namespace_of(place.process);
  mount.root = *root;
  auto session = Session::create(
      shared_, *root, {mount.shown.dir, plain_source(place.source), place.process}, reason);
  if (!session) return give_up(session.error());
  mount.shown.device = (*session)->mount_point().device_number();

  const std::lock_guard lock(mutex_);
  const std::uint64_t id = next_id_++;
  mount.id = id;
  const auto started = (*session)->start([this, id] {
    {
      const std::lock_guard dropping(mutex_);
      dropped_.push_back(id);
    }
    changed_.notify_all();
  });
  if (!started) return give_up(started.error());
  mount.session = std::move(*session);
  mounts_.push_back(std::move(mount));
  return {};
}

void GroupMounts::settle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    return std::none_of(mounts_.begin(), mounts_.end(), [](const Mount& mount) {
      return !mount.session || mount.session->dropped();
    });
  });
}

GroupMounts::Mount* GroupMounts::find(std::uint64_t id) {
  const auto it = std::find_if(mounts_.begin(), mounts_.end(),
                               [id](const Mount& mount) { return mount.id == id; });
  return it == mounts_.end() ? nullptr : &*it;
}

Result<void> GroupMounts::unmount(const std::string& dir, const MountPlace& place) {
  const std::lock_guard changing(changing_);
  const std::string clean_dir = cleaned(dir, place);
  const ino_t mount_namespace = mount_namespace_of(place.process);
  std::unique_lock lock(mutex_);
  const auto it = std::find_if(mounts_.rbegin(), mounts_.rend(), [&](const Mount& mount) {
    return !mount.unmounted && mount.session && mount.shown.dir == clean_dir &&
           mount.mount_namespace == mount_namespace;
  });
  if (it == mounts_.rend()) return Errno{EINVAL};
  const std::uint64_t id = it->id;
  // Whoever ends the session meanwhile, since the kernel dropped it, must not take it away.
  Session& session = *it->session;
  it->in_use = true;
  lock.unlock();
  const auto unmounted = session.mount_point().unmount(false, place.process);
  lock.lock();
  Mount& mount = *find(id);
  mount.in_use = false;
  changed_.notify_all();
  if (!unmounted) return unmounted;
  mount.unmounted = true;
  // Unless it was copied into another mount namespace it is gone, and nobody shall see it any more.
  if (session.dropped()) changed_.wait(lock, [&] { return find(id) == nullptr; });
  return {};
}

void GroupMounts::end(std::uint64_t id) {
  std::unique_ptr<Session> session;
  GroupRef root;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      const Mount* mount = find(id);
      return mount == nullptr || !mount->in_use;
    });
    Mount* mount = find(id);
    if (mount == nullptr || !mount->session) return;
    session = std::move(mount->session);
    root = mount->root;
  }
  session.reset();
  groups_.unmount(root->hierarchy());
  {
    const std::lock_guard lock(mutex_);
    mounts_.remove_if([id](const Mount& mount) { return mount.id == id; });
  }
  changed_.notify_all();
}

void GroupMounts::clean() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closing_ || !dropped_.empty(); });
    if (dropped_.empty()) return;
    const std::uint64_t id = dropped_.back();
    dropped_.pop_back();
    lock.unlock();
    end(id);
    lock.lock();
  }
}

void GroupMounts::unmount_all() {
  const std::lock_guard changing(changing_);
  while (true) {
    std::uint64_t id = 0;
    {
      std::unique_lock lock(mutex_);
      if (mounts_.empty()) return;
      Mount& mount = mounts_.back();
      id = mount.id;
      if (!mount.session) {
        changed_.wait(lock, [&] { return find(id) == nullptr; });
        continue;
      }
      mount.in_use = true;
      Session& session = *mount.session;
      // One in another mount namespace is for that one's processes, and ends with them.
      const bool mounted = !mount.unmounted && !session.mount_point().elsewhere();
      lock.unlock();
      // Where that fails, it is gone already.
      if (mounted) (void)session.mount_point().unmount(true);
      lock.lock();
      find(id)->in_use = false;
      find(id)->unmounted = true;
    }
    changed_.notify_all();
    end(id);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return find(id) == nullptr; });
  }
}

std::vector<GroupMount> GroupMounts::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<GroupMount> shown;
  for (const Mount& mount : mounts_) {
    if (mount.session && !mount.unmounted) shown.push_back(mount.shown);
  }
  return shown;
}

}  // namespace warren
