#include "tracer/delegated_cgroup.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tracer/cgroup_dir.h"
#include "tracer/cgroup_files.h"
#include "warren/groups.h"

namespace warren {

namespace {

constexpr char kPrefix[] = "warren-";
constexpr char kSupervisor[] = "supervisor";
constexpr char kRoot[] = "root";
constexpr char kTasks[] = "warren.tasks";
constexpr char kSubtree[] = "cgroup.subtree_control";
// A task that the kernel cannot end (it waits for a disk) keeps its directory.
constexpr int kEndTimeout = 10'000;  // ms

Result<void> make_directory(int at, const std::string& name) {
  if (mkdirat(at, name.c_str(), 0755) != 0) return Errno{errno};
  return {};
}

Result<void> move_process(int directory, pid_t pid) {
  auto moved = cgroup::write_file(directory, "cgroup.procs", std::to_string(pid));
  // It has ended.
  if (!moved && moved.error_code() == ESRCH) return {};
  return moved;
}

void switch_controllers(int directory, const std::vector<std::string>& names, char sign) {
  for (const std::string& name : names) {
    (void)cgroup::write_file(directory, kSubtree, sign + name);
  }
}

std::string describe(const std::string& path, int error, const std::string& detail,
                     const std::string& advice) {
  std::string text = path.empty() ? detail : path + ": ";
  if (!path.empty()) text += std::strerror(error) + (detail.empty() ? "" : " (" + detail + ")");
  return text + "; " + (advice.empty() ? "" : advice + ", or ") + "give --cgroup=warren";
}

}  // namespace

std::unique_ptr<DelegatedCgroup> DelegatedCgroup::create(const std::string& container,
                                                         std::span<const pid_t> own,
                                                         std::string* problem) {
  cgroup::Place place = cgroup::find_place(own);
  if (place.error != 0) {
    *problem = describe(place.path, place.error, place.detail, place.advice);
    return nullptr;
  }
  const std::string path = place.path;
  std::unique_ptr<DelegatedCgroup> made(new DelegatedCgroup(std::move(place), kPrefix + container));
  // A directory that is being made looks like one that was left behind.
  const int fd = made->place_.directory.get();
  flock(fd, LOCK_EX);
  made->remove_stale();
  const auto built = made->build(own);
  flock(fd, LOCK_UN);
  if (!built) {
    // One of that name that somebody else has stays as it is.
    if (made->top_.ok()) made->end();
    *problem = describe(path, built.error_code(), "", "");
    return nullptr;
  }
  return made;
}

// Containers whose supervisor and front were killed: nobody is in their directories, as always
// somebody is in those of the living.
void DelegatedCgroup::remove_stale() {
  const int fd = place_.directory.get();
  for (const std::string& name : cgroup::directories(fd)) {
    if (!name.starts_with(kPrefix)) continue;
    const auto stale = cgroup::open_directory(fd, name);
    if (stale && !cgroup::populated(stale->get())) (void)cgroup::remove_tree(fd, name, 0);
  }
}

Result<void> DelegatedCgroup::build(std::span<const pid_t> own) {
  const int fd = place_.directory.get();
  if (auto r = make_directory(fd, name_); !r) return r;
  auto top = cgroup::open_directory(fd, name_);
  if (!top) return top.error();
  top_ = std::move(*top);
  for (const char* name : {kSupervisor, kRoot}) {
    if (auto r = make_directory(top_.get(), name); !r) return r;
  }
  const auto supervisor = cgroup::open_directory(top_.get(), kSupervisor);
  if (!supervisor) return supervisor.error();
  auto root = cgroup::open_directory(top_.get(), kRoot);
  if (!root) return root.error();
  root_ = std::make_shared<const UniqueFd>(std::move(*root));
  for (const pid_t pid : cgroup::processes(fd)) {
    if (pid != getpid() && std::find(own.begin(), own.end(), pid) == own.end()) continue;
    if (auto r = move_process(supervisor->get(), pid); !r) return r;
  }
  enable_controllers();
  if (controllers_.empty()) return Errno{EBUSY};
  return {};
}

// Each by itself: what one of them lacks (cpu: processes of real time must be in the root) is no
// reason to be without the others.
void DelegatedCgroup::enable_controllers() {
  const int fd = place_.directory.get();
  const std::vector<std::string> before = cgroup::read_words(fd, kSubtree);
  for (const std::string& name : place_.controllers) {
    if (!cgroup::write_file(fd, kSubtree, "+" + name)) continue;
    if (std::find(before.begin(), before.end(), name) == before.end()) enabled_.push_back(name);
    if (cgroup::write_file(top_.get(), kSubtree, "+" + name)) controllers_.push_back(name);
  }
}

void DelegatedCgroup::watch(Groups& groups) {
  events_ = std::make_unique<cgroup::Events>(
      [&groups](Group& group, const std::string& file) { groups.file_changed(group, file); });
}

void DelegatedCgroup::end() {
  events_.reset();
  const int fd = place_.directory.get();
  const auto top = cgroup::open_directory(fd, name_);
  // The other of the two has done all of it.
  if (!top) return;
  (void)cgroup::remove_tree(top->get(), kRoot, kEndTimeout);
  switch_controllers(top->get(), controllers_, '-');
  // In the machine's root they disturb nobody, and others may have begun to count on them.
  if (!place_.machine_root) switch_controllers(fd, enabled_, '-');
  if (const auto supervisor = cgroup::open_directory(top->get(), kSupervisor)) {
    for (const pid_t pid : cgroup::processes(supervisor->get())) (void)move_process(fd, pid);
  }
  unlinkat(top->get(), kSupervisor, AT_REMOVEDIR);
  unlinkat(fd, name_.c_str(), AT_REMOVEDIR);
}

bool DelegatedCgroup::takes_over(std::string_view subsystem) const {
  return std::find(controllers_.begin(), controllers_.end(), subsystem) != controllers_.end();
}

// The root group's cgroup is none of the kernel's roots, so it has whatever others have.
bool DelegatedCgroup::has(std::string_view file) const {
  return faccessat(root_->get(), cgroup::kernel_name(file).c_str(), F_OK, 0) == 0;
}

DelegatedCgroup::Directory DelegatedCgroup::find(const Group& group) {
  if (group.parent() == nullptr) return root_;
  const std::lock_guard lock(mutex_);
  const auto it = nodes_.find(group.id());
  return it == nodes_.end() ? nullptr : it->second.directory;
}

Result<void> DelegatedCgroup::make(Group& group) {
  const Directory above = find(*group.parent());
  if (!above) return Errno{ENOENT};
  switch_controllers(above->get(), controllers_, '+');
  // Taken may be the name of a group that was renamed or is a leftover, that of a file which only
  // the kernel has, or our own.
  const std::string wanted = group.name();
  std::string name = wanted == kTasks ? wanted + ".2" : wanted;
  Result<void> made = make_directory(above->get(), name);
  for (int number = 2; !made && made.error_code() == EEXIST; ++number) {
    name = wanted.substr(0, 240) + "." + std::to_string(number);
    made = make_directory(above->get(), name);
  }
  if (!made) return made;
  auto directory = cgroup::open_directory(above->get(), name);
  if (!directory) {
    unlinkat(above->get(), name.c_str(), AT_REMOVEDIR);
    return directory.error();
  }
  if (events_) events_->add(directory->get(), group);
  const std::lock_guard lock(mutex_);
  nodes_.emplace(group.id(),
                 Node{std::make_shared<const UniqueFd>(std::move(*directory)), above, name});
  return {};
}

void DelegatedCgroup::remove(const Group& group) {
  if (events_) events_->remove(group);
  const std::lock_guard lock(mutex_);
  const auto it = nodes_.find(group.id());
  if (it == nodes_.end()) return;
  leftovers_.push_back({it->second.directory, kTasks});
  leftovers_.push_back({it->second.above, it->second.name});
  nodes_.erase(it);
  remove_leftovers();
}

// The kernel may count somebody who has told warren of its end: then it is tried again at the next
// one, and at the end of the container.
void DelegatedCgroup::remove_leftovers() {
  std::erase_if(leftovers_, [](const Leftover& leftover) {
    return unlinkat(leftover.above->get(), leftover.name.c_str(), AT_REMOVEDIR) == 0 ||
           errno != EBUSY;
  });
}

Result<void> DelegatedCgroup::place(ThreadGroup& process, const Group& group) {
  const Directory directory = find(group);
  if (!directory) return Errno{ENODEV};
  if (process.state() != GroupState::kAlive) return {};
  auto tasks = cgroup::open_directory(directory->get(), kTasks);
  if (!tasks && tasks.error_code() == ENOENT) {
    if (auto r = make_directory(directory->get(), kTasks); !r && r.error_code() != EEXIST) return r;
    tasks = cgroup::open_directory(directory->get(), kTasks);
  }
  if (!tasks) return tasks.error();
  return move_process(tasks->get(), process.level0());
}

Result<std::string> DelegatedCgroup::read(const Group& group, std::string_view file) {
  const Directory directory = find(group);
  if (!directory) return Errno{ENODEV};
  return cgroup::read_as(directory->get(), group.parent() == nullptr, file);
}

Result<void> DelegatedCgroup::write(const Group& group, std::string_view file,
                                    std::string_view text) {
  const Directory directory = find(group);
  if (!directory) return Errno{ENODEV};
  return cgroup::write_as(directory->get(), file, text);
}

}  // namespace warren
