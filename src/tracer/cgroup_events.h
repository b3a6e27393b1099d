// Tells when the kernel has changed files of cgroups that count events.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "base/unique_fd.h"

namespace warren {
class Group;
}

namespace warren::cgroup {

// One inotify(7) instance and a thread that reads it. Without one (the user has too many, or too
// many watches) nobody is told, and files are right when read. Thread-safe.
class Events {
 public:
  // `changed` is called by the thread, with the mutex held that add() and remove() take: a group is
  // not named any more once remove() has returned.
  explicit Events(std::function<void(Group& group, const std::string& file)> changed);
  ~Events();

  // The files of `directory`, which is the group's cgroup. Those that it does not have are left
  // out.
  void add(int directory, Group& group);
  void remove(const Group& group);

 private:
  struct Watch {
    Group* group;
    std::string file;
  };

  void run();

  const std::function<void(Group&, const std::string&)> changed_;
  UniqueFd inotify_;
  UniqueFd stop_;
  std::mutex mutex_;
  std::unordered_map<int, Watch> watches_;  // by watch descriptor; guarded by mutex_
  std::thread thread_;
};

}  // namespace warren::cgroup
