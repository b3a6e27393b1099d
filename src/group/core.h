// GroupsImpl: the state behind a Groups, its one lock, and what stands behind Group, TaskProxy and
// ForkMembership.
#pragma once

#include <array>
#include <atomic>
#include <climits>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "warren/group_mirror.h"
#include "warren/groups.h"

namespace warren {

// What a task belongs to: see TaskProxy. Tasks and forks in flight hold references; with the last
// one it leaves the table, and is freed after a grace period.
struct Proxy final : TaskProxy {
  explicit Proxy(GroupsImpl& of) : groups(of) {}

  struct Neighbours {
    Proxy* prev = nullptr;
    Proxy* next = nullptr;
  };

  GroupsImpl& groups;
  std::uint64_t hash = 0;
  // Read without a lock. The place of a subsystem or hierarchy is the same in all proxies. Written
  // before readers see the proxy, and when a subsystem or hierarchy comes or goes.
  std::array<std::atomic<SubsystemState*>, Groups::kMaxSubsystems> states{};
  std::array<std::atomic<Group*>, Groups::kMaxHierarchies> members{};  // hold references
  // Guarded by the lock of Groups.
  std::uint32_t refs = 0;     // tasks, zombies among them, and pending forks
  std::uint32_t pending = 0;  // forks begun and not published
  std::uint32_t live = 0;     // length of the list `first`
  std::uint64_t forks = 0;
  Task* first = nullptr;    // tasks that have not ended; the first one's prev is the last one
  Task* zombies = nullptr;  // the others, the same way
  std::array<Neighbours, Groups::kMaxHierarchies> of_group;  // the other proxies of each group
  Neighbours all;
  Proxy* bucket_next = nullptr;
  Proxy* retired_next = nullptr;
};

// A fork between begin_fork() and its end. Guarded by the lock of Groups.
struct PendingFork {
  Proxy* proxy = nullptr;          // a reference
  ThreadGroup* process = nullptr;  // the parent's; compared, never followed
  bool killed = false;             // cgroup.kill came meanwhile
  std::vector<GroupRef> moved_to;  // where the process was moved meanwhile, latest last
  PendingFork* prev = nullptr;
  PendingFork* next = nullptr;
};

// What stands behind a Group.
struct Group::Inner {
  std::atomic<std::uint32_t> refs{1};
  GroupsImpl* groups = nullptr;
  std::atomic<bool> alive{true};
  std::atomic<bool> clone_children{false};
  std::atomic<int> nr_dying{0};  // groups below that were removed and are still held
  // Owned. Written under the lock, read by anybody.
  std::array<std::atomic<SubsystemState*>, Groups::kMaxSubsystems> states{};
  Group* retired_next = nullptr;
  // Guarded by GroupsImpl::names; the name is written under both that and the lock.
  std::string name;
  GroupAttributes attributes;
  GroupAttributes of_files;  // owner of the files that were given none
  std::map<std::string, GroupAttributes, std::less<>> file_attributes;
  // Guarded by GroupsImpl::changes.
  std::map<std::string, std::uint64_t, std::less<>> generations;
  // Guarded by the lock.
  std::map<std::string, Group*, std::less<>> children;
  Proxy* proxies = nullptr;
  int populated_proxies = 0;   // of its own, with tasks
  int populated_children = 0;  // with tasks, themselves or below
  int nr_descendants = 0;
  int max_descendants = INT_MAX;
  int max_depth = INT_MAX;
  std::uint64_t forks = 0;  // of proxies that are gone and of groups below that were removed
  bool notify_on_release = false;
  bool self_made = false;  // by unshare(): goes with its last task, as a namespace does
  std::vector<std::unique_ptr<SubsystemState>> discarded;  // freed with the group
};

// One file that every group has (common_files.cc).
struct CommonFile {
  std::string_view name;
  unsigned flags;
  std::string (*read)(GroupsImpl& groups, Group& group, const GroupCaller& caller);
  Result<void> (*write)(GroupsImpl& groups, Group& group, std::string_view text,
                        const GroupCaller& caller);
};

// Why: the members of Groups are split over files by family; this is what they share. Owned by
// Groups.
//
// Locking: everything that changes holds `lock`. Three leaves are never held while another is
// taken: `names`, `changes`, `wishes`. Proxies and groups whose last reference went wait on lists
// until collect() has seen a grace period pass.
struct GroupsImpl {
  GroupsImpl(Groups& groups, Kernel& engine, GroupHost& tasks_host)
      : self(groups), kernel(engine), host(tasks_host), mirror(tasks_host.mirror()) {}
  ~GroupsImpl();
  GroupsImpl(const GroupsImpl&) = delete;
  GroupsImpl& operator=(const GroupsImpl&) = delete;

  // The lock for those who change something. What piled up for freeing is freed after it was
  // dropped.
  class WARREN_SCOPED_CAPABILITY Writer {
   public:
    explicit Writer(GroupsImpl& groups) WARREN_ACQUIRE(groups.lock) : groups_(groups) {
      groups_.lock.lock();
    }
    ~Writer() WARREN_RELEASE() {
      if (!groups_.left_empty.empty()) groups_.remove_left_empty();
      groups_.lock.unlock();
      if (groups_.retired_count.load(std::memory_order_relaxed) >= kCollectAt) groups_.collect();
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

   private:
    GroupsImpl& groups_;
  };

  // One place in the array `slots`; null root: free.
  struct Slot {
    Hierarchy* hierarchy = nullptr;
    Group* root = nullptr;  // a reference
    int mounts = 0;
    int linked = 0;  // groups besides the root that are in the tree or that tasks are still in
    std::string release_agent;
  };

  struct Move {
    Ref<Task> task;
    Proxy* from;
    Proxy* to;  // a reference
  };

  static constexpr int kDefault = 0;  // the default hierarchy's slot
  static constexpr std::uint32_t kCollectAt = 64;

  // --- The table of subsystems (registry.cc) ---

  // The place of a subsystem; -1: it is not known here. Lock-free.
  int index_of(const Subsystem& subsystem) const;
  const Subsystem& subsystem(int index) const {
    return *table[static_cast<std::size_t>(index)].load(std::memory_order_acquire);
  }
  int nr_subsystems() const { return count.load(std::memory_order_acquire); }
  // Whether `subsystem` may join those of `others`: 0, EINVAL, EEXIST, ENOSPC.
  static int check(const Subsystem& subsystem, const std::vector<const Subsystem*>& others);
  // Adds it to the table, gives the default hierarchy's groups their states, and charges the root's
  // for `tasks`.
  Result<void> add(const Subsystem& subsystem, const std::vector<Task*>& tasks)
      WARREN_REQUIRES(lock);

  // --- States (states.cc) ---

  // A state of the group in subsystem `index`, if its parent has one.
  Result<void> make_state(Group& group, int index) WARREN_REQUIRES(lock);
  void destroy_state(Group& group, int index) WARREN_REQUIRES(lock);
  // States of all groups of the default hierarchy but its root, whose tasks move into them; none if
  // one of them fails.
  Result<void> spread(int index) WARREN_REQUIRES(lock);
  void unspread(int index) WARREN_REQUIRES(lock);
  Result<void> move_spread(int index, SubsystemState& root) WARREN_REQUIRES(lock);
  void set_in_proxies(int index, SubsystemState* state) WARREN_REQUIRES(lock);
  // Moves the root state of a subsystem from one hierarchy to another.
  void bind(int index, int from, int to) WARREN_REQUIRES(lock);

  // --- Proxies (proxies.cc) ---

  // That of tasks that are in the roots everywhere but, if not null, in `group`. A reference.
  Proxy* intern_root(Group* group) WARREN_REQUIRES(lock);
  // That of `from`, with `group` in its hierarchy. A reference.
  Proxy* intern(const Proxy& from, Group& group) WARREN_REQUIRES(lock);
  Proxy* find_proxy(std::uint64_t hash, const Proxy* like, Group* group) WARREN_REQUIRES(lock);
  Proxy* add_proxy(std::uint64_t hash, const Proxy* like, Group* group) WARREN_REQUIRES(lock);
  void unref(Proxy* proxy) WARREN_REQUIRES(lock);
  SubsystemState* root_state(int index) WARREN_REQUIRES(lock);
  void join_group(Proxy& proxy, int slot, Group& group) WARREN_REQUIRES(lock);
  bool leave_group(Proxy& proxy, int slot) WARREN_REQUIRES(lock);
  void grow_table() WARREN_REQUIRES(lock);
  static Proxy* proxy_of(const Task& task) {
    return static_cast<Proxy*>(task.membership().proxy.load(std::memory_order_acquire));
  }
  static std::uint64_t share(const Group* group);
  void link(Proxy& proxy, Task& task) WARREN_REQUIRES(lock);
  void unlink(Proxy& proxy, Task& task) WARREN_REQUIRES(lock);
  void link_zombie(Proxy& proxy, Task& task) WARREN_REQUIRES(lock);
  void unlink_zombie(Proxy& proxy, Task& task) WARREN_REQUIRES(lock);
  void populate(Proxy& proxy) WARREN_REQUIRES(lock);
  void depopulate(Proxy& proxy) WARREN_REQUIRES(lock);
  static bool populated(const Group& group);
  void check_release(Group& group) WARREN_REQUIRES(lock);
  // A group that unshare() made is empty, perhaps for good: looked at when the lock is dropped,
  // since whoever empties it may not be done with it.
  void check_self_made(Group& group) WARREN_REQUIRES(lock);
  void remove_left_empty() WARREN_REQUIRES(lock);

  // --- Life (life.cc) ---

  Result<void> charge(Proxy& proxy, Task& parent) WARREN_REQUIRES(lock);
  void uncharge(Proxy& proxy, std::uint32_t mask) WARREN_REQUIRES(lock);
  void enter(Proxy& proxy, Task& task) WARREN_REQUIRES(lock);
  PendingFork* begin(Proxy& proxy, Task& parent) WARREN_REQUIRES(lock);
  void forget(PendingFork* fork) WARREN_REQUIRES(lock);
  void cancel(PendingFork* fork) WARREN_REQUIRES(lock);
  void end(Proxy& proxy, Task& task) WARREN_REQUIRES(lock);

  // --- Moves (move.cc) ---

  // All of them, or none; tasks that have ended, or are there already, are left out. `by`: the
  // namespace of the guest that moves them.
  Result<void> move(Group& to, const std::vector<Ref<Task>>& tasks,
                    const PidNamespace* by = nullptr) WARREN_REQUIRES(lock);
  // ESRCH: no thread of it is in a group.
  Result<void> move(Group& to, ThreadGroup& process, const PidNamespace* by = nullptr)
      WARREN_REQUIRES(lock);
  Result<void> ask(const std::vector<Move>& moves, std::uint32_t mask) WARREN_REQUIRES(lock);
  void take_back(const std::vector<Move>& moves, std::uint32_t mask) WARREN_REQUIRES(lock);
  void commit(const std::vector<Move>& moves, std::uint32_t mask) WARREN_REQUIRES(lock);

  // --- The kernel's cgroups (mirror.cc) ---

  // Whether the groups of this hierarchy have cgroups of the kernel's.
  bool mirrored(const Group& group) const {
    return mirror != nullptr && group.hierarchy_->slot_ == kDefault;
  }
  // Puts the processes of these moves into `to`, or none of them. EOPNOTSUPP: it would take a
  // process apart.
  Result<void> place(Group& to, const std::vector<Move>& moves) WARREN_REQUIRES(lock);
  // Whether no living thread of its process is elsewhere: to move the task is to move the process.
  bool is_whole_process(const Task& task) const WARREN_REQUIRES(lock);

  // A child group of that name, or with a number behind it if that is taken.
  Result<Group*> make_numbered(Group& parent, std::string_view name) WARREN_REQUIRES(lock);

  // --- Trees (tree.cc) ---

  Group* new_group(Hierarchy& hierarchy, Group* parent, std::string_view name)
      WARREN_REQUIRES(lock);
  Result<Group*> make(Group& parent, std::string_view name, const GroupAttributes& attributes)
      WARREN_REQUIRES(lock);
  void remove(Group& group) WARREN_REQUIRES(lock);
  static bool unused(const Group& group);
  // The next group of the tree below `top`, parents first; null at the end.
  static Group* next(const Group& top, Group& group);
  std::string path(const Group& group) const;
  bool within(const Group& group, const Group& top) const;
  // A task's group, or an empty reference.
  Group* group_of(const Task& task, int slot) const;
  std::uint64_t forks(Group& group) WARREN_REQUIRES(lock);
  void count_dying(const Group& group, int delta);
  // Tasks of the group itself that have not ended.
  void each_task(const Group& group, const std::function<void(Task&)>& f) const
      WARREN_REQUIRES(lock);

  // --- Hierarchies (hierarchies.cc) ---

  Result<int> new_hierarchy(const MountOptions& options) WARREN_REQUIRES(lock);
  // Ends it if nothing needs it any more.
  void check_end(int slot) WARREN_REQUIRES(lock);
  // Ends those whose end had to wait.
  void end_hierarchies() WARREN_REQUIRES(lock);
  void end_hierarchy(int slot) WARREN_REQUIRES(lock);
  int slot_of_subsystem(int index) const WARREN_REQUIRES(lock);
  static int place_of(const Hierarchy& hierarchy) { return hierarchy.slot_; }
  Slot& slot_of(const Group& group) WARREN_REQUIRES(lock) {
    return slots[static_cast<std::size_t>(group.hierarchy_->slot_)];
  }

  // --- Files (files.cc, common_files.cc) ---

  static std::span<const CommonFile> common_files();
  static const CommonFile* find_common(std::string_view name);
  // The subsystem's file that the group has, and its state.
  const GroupFile* find_file(const Group& group, std::string_view name,
                             SubsystemState** state) const;
  // Whether the group has this file of subsystem `index`.
  bool offers(const Group& group, int index, const GroupFile& file) const;
  // Whether the kernel's cgroup has it, and not the state.
  bool is_taken_over(const GroupFile& file) const;
  static bool shown_on(unsigned flags, const Group& group);
  bool has_file(const Group& group, std::string_view name) const;
  std::optional<mode_t> mode(const Group& group, std::string_view file) const;
  GroupAttributes attributes(const Group& group, std::string_view file) const;
  struct Files;  // what the common files do

  // --- What guests may change (scope.cc) ---

  // As Groups::may_change().
  Result<void> may_change(Group& group, const GroupCaller& caller, GroupChange change)
      WARREN_REQUIRES(lock);
  // The group that the namespace was given in a hierarchy: where its init is, or was before it
  // moved itself. Null: the namespace has no init any more.
  const Group* home_of(const PidNamespace& ns, int slot) const WARREN_REQUIRES(lock);
  // Tasks are about to move: by themselves or others of namespace `by`, or from outside.
  void note_homes(const Group& to, const std::vector<Ref<Task>>& tasks, const PidNamespace* by)
      WARREN_REQUIRES(lock);
  void forget_homes(const Task& task) WARREN_REQUIRES(lock);

  // --- Changes and ticks (changes.cc) ---

  void file_changed(Group& group, std::string_view file);
  // Guarded by `changes`.
  static std::uint64_t generation(const Group& group, std::string_view file);

  // --- Memory (memory.cc) ---

  void retire(Proxy* proxy);
  void retire(Group* group);
  void collect() WARREN_EXCLUDES(lock);
  void destroy(Group* group);

  Groups& self;
  Kernel& kernel;
  GroupHost& host;
  GroupMirror* const mirror;
  // Subsystems that the kernel enforces.
  std::atomic<std::uint32_t> taken_over{0};
  mutable Mutex lock{LockRank::kGroups};
  mutable std::mutex names;
  std::mutex changes;
  std::condition_variable changed;
  std::function<void(Group&, std::string_view)> change_listener;  // guarded by `changes`
  std::mutex wishes;

  // Append-only; read without the lock. `places` is a hash table of addresses.
  struct Place {
    std::atomic<const Subsystem*> subsystem{nullptr};
    int index = -1;
  };
  std::array<std::atomic<const Subsystem*>, Groups::kMaxSubsystems> table{};
  std::atomic<int> count{0};
  std::array<Place, 64> places;
  // Subsystems with these callbacks.
  std::uint32_t with_can_fork WARREN_GUARDED_BY(lock) = 0;
  std::uint32_t with_fork WARREN_GUARDED_BY(lock) = 0;
  std::uint32_t with_exit WARREN_GUARDED_BY(lock) = 0;
  std::uint32_t with_release WARREN_GUARDED_BY(lock) = 0;

  std::array<Slot, Groups::kMaxHierarchies> slots WARREN_GUARDED_BY(lock);
  int next_hierarchy WARREN_GUARDED_BY(lock) = 0;
  std::uint64_t next_group WARREN_GUARDED_BY(lock) = 1;
  std::vector<Proxy*> buckets WARREN_GUARDED_BY(lock);
  int nr_proxies WARREN_GUARDED_BY(lock) = 0;
  Proxy* proxies WARREN_GUARDED_BY(lock) = nullptr;
  PendingFork* pending WARREN_GUARDED_BY(lock) = nullptr;
  PendingFork* spare WARREN_GUARDED_BY(lock) = nullptr;
  std::vector<GroupRef> left_empty WARREN_GUARDED_BY(lock);
  // Of namespaces whose init moved itself: (inode, hierarchy's id) to the id of the group.
  std::map<std::pair<std::uint64_t, int>, std::uint64_t> homes WARREN_GUARDED_BY(lock);
  bool end_wanted WARREN_GUARDED_BY(lock) = false;  // a hierarchy's end waits for forks in flight

  std::array<int, Groups::kMaxSubsystems> wish{};  // guarded by `wishes`; milliseconds
  int tick_ms = 0;                                 // guarded by `wishes`

  std::atomic<std::uint32_t> retired_count{0};
  std::mutex retired;                // a leaf, too
  Proxy* retired_proxies = nullptr;  // guarded by `retired`
  Group* retired_groups = nullptr;   // guarded by `retired`
  std::atomic<bool> collecting{false};
};

// The lowest bit of a set, taken out of it.
inline int take_bit(std::uint32_t& bits) {
  const int index = __builtin_ctz(bits);
  bits &= bits - 1;
  return index;
}

inline int take_last_bit(std::uint32_t& bits) {
  const int index = 31 - __builtin_clz(bits);
  bits ^= 1u << index;
  return index;
}

inline std::uint32_t bit(int index) { return 1u << index; }

}  // namespace warren
