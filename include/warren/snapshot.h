// Snapshot: everything that the engine knows at one moment, for those who list it.
#pragma once

#include <vector>

#include "warren/pid_namespace.h"
#include "warren/ref.h"
#include "warren/task.h"
#include "warren/types.h"

namespace warren {

struct TaskSnapshot {
  Ref<Task> task;
  Ref<ThreadGroup> group;
  Ref<PidNamespace> ns;
  std::vector<Nr> numbers;  // level 0 first; one for each level of ns
  std::vector<Nr> tgid;     // the same of its process
  Ref<ThreadGroup> parent;  // null: none
  Ref<Pid> pgid;
  Ref<Pid> sid;
  bool is_leader = false;
  bool alive = false;    // this thread has not exited
  bool is_init = false;  // its process is init of ns
  GroupState state = GroupState::kAlive;
};

struct NamespaceSnapshot {
  Ref<PidNamespace> ns;
  Ref<PidNamespace> parent;  // null for the root
  Ref<ThreadGroup> init;     // null: none
  int level = 0;
  bool alive = false;
  int nr_tasks = 0;  // as PidNamespace::nr_tasks()
};

// Consistent within itself. Plain data; holds references.
struct Snapshot {
  std::vector<NamespaceSnapshot> namespaces;  // parents before their children
  std::vector<TaskSnapshot> tasks;            // ascending by level 0 number
};

}  // namespace warren
