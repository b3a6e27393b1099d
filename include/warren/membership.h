// Membership: the part of a task that ties it to its groups.
#pragma once

#include <atomic>

namespace warren {

class Task;
class TaskProxy;

// One in each Task; the engine never looks at it, only Groups does.
struct Membership {
  // The groups of the task, one in each hierarchy. Null: the task is in no Groups. Followed without
  // a lock in a read section; changed under the lock of Groups.
  std::atomic<TaskProxy*> proxy{nullptr};
  // Guarded by the lock of Groups: the other tasks with this proxy, living ones
  // and, apart from them, those that have ended and are not released yet.
  Task* next = nullptr;
  Task* prev = nullptr;
  bool exited = false;
};

}  // namespace warren
