// A plain, slow model of what the engine is to do: maps, linear scans, no sharing of code or ideas
// with it. The model test runs both side by side.
#pragma once

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <limits>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "warren/kernel.h"

namespace warren::testing {

inline constexpr int kNone = -1;

struct ModelNs {
  int parent = kNone;
  int level = 0;
  int last = 0;
  int pid_max = 0;
  std::map<int, int> numbers;  // number -> pid, kNone while reserved
  int init = kNone;            // group
  bool had_init = false;
  bool disabled = false;
  Ref<PidNamespace> real;
};

struct ModelPid {
  std::vector<std::pair<int, int>> numbers;  // (namespace, number), level 0 first
  int task = kNone;
  int group = kNone;
  int pins = 0;
  Ref<Pid> real;
};

struct ModelTask {
  int group = kNone;
  int pid = kNone;
  int for_children = kNone;
  bool running = true;
  bool listed = false;
  Ref<Task> real;
};

struct ModelGroup {
  int pid = kNone;
  int leader = kNone;
  std::vector<int> threads;
  int reserved_threads = 0;
  int father = kNone;
  long child_order = 0;
  int pgid = kNone;
  long pgid_order = 0;
  int sid = kNone;
  long sid_order = 0;
  GroupState state = GroupState::kAlive;
  int status = 0;
  int end_signal = 0;
  bool leads_session = false;
  bool subreaper = false;
  bool execed = false;
  Ref<ThreadGroup> real;
};

struct ModelReservation {
  int parent = kNone;  // task
  int ns = kNone;
  int pid = kNone;
  int pgid = kNone;
  int sid = kNone;
  bool thread = false;
  bool clone_parent = false;
  int exit_signal = 0;
  int grandfather = kNone;
};

class Model {
 public:
  Model(bool pin, int pid_max) : pinned(pin) {
    ModelNs root;
    root.pid_max = pid_max;
    namespaces[0] = root;
  }

  // --- Numbers ---

  int allocate(ModelNs& ns) {
    const int low = ns.last + 1 > 300 ? 300 : 1;
    for (int nr = ns.last + 1; nr < ns.pid_max; ++nr) {
      if (!ns.numbers.contains(nr)) return ns.last = nr;
    }
    for (int nr = low; nr < std::min(ns.last + 1, ns.pid_max); ++nr) {
      if (!ns.numbers.contains(nr)) return ns.last = nr;
    }
    return 0;
  }

  int take(ModelNs& ns, int nr) {
    if (nr < 1 || nr >= ns.pid_max) return EINVAL;
    if (ns.numbers.contains(nr)) return EEXIST;
    ns.numbers[nr] = kNone;
    return 0;
  }

  int reserve_one(int id, const Nr* wanted, int* nr) {
    ModelNs& ns = namespaces[id];
    if (ns.disabled) return ENOMEM;
    if (ns.init == kNone) {
      if (wanted != nullptr && *wanted != 1) return EINVAL;
      *nr = 1;
      if (take(ns, 1) != 0) return ENOMEM;
      ns.last = 1;
      return 0;
    }
    if (wanted != nullptr) {
      *nr = *wanted;
      return take(ns, *nr);
    }
    *nr = allocate(ns);
    if (*nr == 0) return EAGAIN;
    ns.numbers[*nr] = kNone;
    return 0;
  }

  // A pid with reserved numbers, or kNone and the errno.
  int reserve_numbers(int ns, std::span<const Nr> set_tid, int* error) {
    std::vector<int> chain;
    for (int at = ns; at != kNone; at = namespaces[at].parent) chain.push_back(at);
    *error = 0;
    if (set_tid.size() > chain.size()) *error = EINVAL;
    if (pinned && set_tid.size() == chain.size()) *error = EPERM;
    if (*error == 0 && pinned && namespaces[0].disabled) *error = ENOMEM;
    if (*error != 0) return kNone;
    ModelPid pid;
    for (std::size_t i = 0; i < chain.size(); ++i) {
      int nr = 0;
      if (!(pinned && chain[i] == 0)) {
        *error = reserve_one(chain[i], i < set_tid.size() ? &set_tid[i] : nullptr, &nr);
      }
      if (*error != 0) {
        for (auto [at, taken] : pid.numbers) give_back(at, taken);
        return kNone;
      }
      pid.numbers.insert(pid.numbers.begin(), {chain[i], nr});
    }
    const int id = ++next_id;
    pids[id] = pid;
    return id;
  }

  void cancel_numbers(int pid) {
    for (auto [ns, nr] : pids[pid].numbers) give_back(ns, nr);
    pids.erase(pid);
  }

  void give_back(int id, int nr) {
    if (nr == 0) return;
    ModelNs& ns = namespaces[id];
    if (ns.last == nr) ns.last = nr - 1;
    ns.numbers.erase(nr);
  }

  void claim_level0(int nr) {
    auto& taken = namespaces[0].numbers;
    if (!taken.contains(nr)) return;
    const int group = pids[taken[nr]].group;
    if (group != kNone && groups[group].state == GroupState::kZombie) reap(group);
    taken.erase(nr);
  }

  void publish_numbers(int pid) {
    for (auto [ns, nr] : pids[pid].numbers) namespaces[ns].numbers[nr] = pid;
  }

  bool used(int pid) const {
    const ModelPid& p = pids.at(pid);
    return p.task != kNone || p.group != kNone || p.pins > 0 || !members(pid, true).empty() ||
           !members(pid, false).empty();
  }

  void free_numbers(int pid) {
    for (auto [ns, nr] : pids[pid].numbers) {
      auto& taken = namespaces[ns].numbers;
      if (taken.contains(nr) && taken[nr] == pid) taken.erase(nr);
    }
  }

  void free_if_unused(int pid) {
    if (!used(pid)) free_numbers(pid);
  }

  int nr_in(int pid, int ns) const {
    for (auto [at, nr] : pids.at(pid).numbers) {
      if (at == ns) return nr;
    }
    return 0;
  }
  int ns_of(int pid) const { return pids.at(pid).numbers.back().first; }
  int lookup(int ns, int nr) const {
    const auto& taken = namespaces.at(ns).numbers;
    auto found = taken.find(nr);
    return found == taken.end() ? kNone : found->second;
  }

  // --- Relations, each by looking at everything ---

  // Living and zombie processes of a process group, or session, in the order of joining.
  std::vector<int> members(int pid, bool pgid) const {
    std::vector<std::pair<long, int>> found;
    for (const auto& [id, g] : groups) {
      if (g.state == GroupState::kDead) continue;
      if ((pgid ? g.pgid : g.sid) == pid) found.emplace_back(pgid ? g.pgid_order : g.sid_order, id);
    }
    return in_order(found);
  }
  std::vector<int> children(int group) const {
    std::vector<std::pair<long, int>> found;
    for (const auto& [id, g] : groups) {
      if (g.state != GroupState::kDead && g.father == group) found.emplace_back(g.child_order, id);
    }
    return in_order(found);
  }
  int live_threads(int group) const {
    int count = 0;
    for (int t : groups.at(group).threads) count += tasks.at(t).running ? 1 : 0;
    return count;
  }
  bool within(int ns, int other) const {
    for (; ns != kNone; ns = namespaces.at(ns).parent) {
      if (ns == other) return true;
    }
    return false;
  }
  bool is_init(int group) const {
    for (const auto& [id, ns] : namespaces) {
      if (ns.init == group) return true;
    }
    return false;
  }
  int own_tasks(int ns) const {
    int count = 0;
    for (const auto& [id, t] : tasks) count += t.listed && ns_of(t.pid) == ns ? 1 : 0;
    return count;
  }
  int visible_tasks(int ns) const {
    int count = 0;
    for (const auto& [id, t] : tasks) count += t.listed && nr_in(t.pid, ns) != 0 ? 1 : 0;
    return count;
  }
  bool zap_complete(int ns) const {
    const ModelNs& n = namespaces.at(ns);
    for (auto [nr, pid] : n.numbers) {
      if (pid == kNone) return false;
    }
    for (const auto& [id, t] : tasks) {
      if (t.listed && nr_in(t.pid, ns) != 0 && t.group != n.init) return false;
    }
    return true;
  }
  bool descends_from(int group, int ancestor) const {
    for (; group != kNone; group = groups.at(group).father) {
      if (group == ancestor) return true;
    }
    return false;
  }

  // --- Fork ---

  int reserve_fork(int parent, const ForkArgs& args, ModelReservation* made) {
    const ModelTask& p = tasks[parent];
    const bool own = p.for_children == ns_of(p.pid);
    if (args.thread && (args.new_pid_ns || !own)) return EINVAL;
    if (args.new_pid_ns && !own) return EINVAL;
    if (args.clone_parent && is_init(p.group)) return EINVAL;
    int ns = p.for_children;
    if (args.new_pid_ns) {
      if (namespaces[ns].disabled) return ENOMEM;
      ns = new_namespace(ns);
    }
    int error = 0;
    const int pid = reserve_numbers(ns, args.set_tid, &error);
    if (error != 0) {
      if (args.new_pid_ns) namespaces.erase(ns);
      return error;
    }
    *made = {parent, ns, pid, kNone, kNone, args.thread, args.clone_parent, args.exit_signal};
    if (args.thread) ++groups[p.group].reserved_threads;
    if (!args.thread) {
      made->grandfather = groups[p.group].father;
      made->pgid = groups[p.group].pgid;
      made->sid = groups[p.group].sid;
      ++pids[made->pgid].pins;
      ++pids[made->sid].pins;
    }
    return 0;
  }

  void unpin(const ModelReservation& r) {
    if (r.thread) return;
    --pids[r.pgid].pins;
    --pids[r.sid].pins;
    free_if_unused(r.pgid);
    free_if_unused(r.sid);
  }

  void cancel(const ModelReservation& r) {
    cancel_numbers(r.pid);
    if (r.thread) --groups[tasks[r.parent].group].reserved_threads;
    unpin(r);
  }

  // The new task.
  int publish(const ModelReservation& r, int level0) {
    if (pinned) {
      pids[r.pid].numbers[0].second = level0;
      claim_level0(level0);
    }
    const int creator = tasks[r.parent].group;
    const int task = ++next_id;
    if (r.thread) --groups[creator].reserved_threads;
    if (r.thread && groups[creator].state == GroupState::kDead) {
      tasks[task] = {creator, r.pid, r.ns, false, false, nullptr};
      for (auto [ns, nr] : pids[r.pid].numbers) namespaces[ns].numbers.erase(nr);
      return task;
    }
    tasks[task] = {creator, r.pid, r.ns, true, true, nullptr};
    pids[r.pid].task = task;
    publish_numbers(r.pid);
    if (r.thread) {
      groups[creator].state = GroupState::kAlive;
      groups[creator].threads.push_back(task);
      return task;
    }
    const bool gone = groups[creator].state == GroupState::kDead;
    const int group = new_group(task, r.pid);
    set_pgid(group, gone ? r.pgid : groups[creator].pgid);
    set_sid(group, gone ? r.sid : groups[creator].sid);
    unpin(r);
    int father = creator;
    groups[group].end_signal = r.exit_signal;
    if (r.clone_parent && !gone) {
      father = groups[creator].father;
      groups[group].end_signal = groups[creator].end_signal;
    }
    if (father != kNone && groups[father].state != GroupState::kAlive) {
      father = choose_reaper(father, group, gone ? r.grandfather : groups[father].father);
    }
    set_father(group, father);
    return task;
  }

  int adopt(int ns, const AdoptArgs& args, int pgid, int sid, int* error) {
    *error = 0;
    if (namespaces[ns].disabled) *error = ENOMEM;
    if (*error == 0 && args.as_init && namespaces[ns].had_init) *error = EEXIST;
    if (*error != 0) return kNone;
    const int pid = reserve_numbers(ns, args.set_tid, error);
    if (*error != 0) return kNone;
    if (pinned) {
      pids[pid].numbers[0].second = args.level0;
      claim_level0(args.level0);
    }
    const int task = ++next_id;
    tasks[task] = {kNone, pid, ns, true, true, nullptr};
    pids[pid].task = task;
    publish_numbers(pid);
    const int group = new_group(task, pid);
    set_pgid(group, pgid == kNone ? pid : pgid);
    set_sid(group, sid == kNone ? pid : sid);
    groups[group].leads_session = sid == kNone;
    groups[group].end_signal = args.exit_signal;
    if (args.as_init && pinned && ns == 0) found(0, group);
    return task;
  }

  int new_namespace(int parent) {
    ModelNs ns;
    ns.parent = parent;
    ns.level = namespaces[parent].level + 1;
    ns.pid_max = namespaces[parent].pid_max;
    const int id = ++next_id;
    namespaces[id] = ns;
    return id;
  }

  // --- Life ---

  void drop_task(int task) {
    ModelTask& t = tasks[task];
    auto& threads = groups[t.group].threads;
    threads.erase(std::find(threads.begin(), threads.end(), task));
    t.running = t.listed = false;
    pids[t.pid].task = kNone;
    free_if_unused(t.pid);
  }

  void exec(int task) {
    if (!tasks[task].running) return;
    ModelGroup& g = groups[tasks[task].group];
    for (int other : std::vector<int>(g.threads)) {
      if (other != task) drop_task(other);
    }
    if (g.leader != task) {
      const int own = tasks[task].pid;
      pids[own].task = kNone;
      free_if_unused(own);
      tasks[task].pid = g.pid;
      pids[g.pid].task = task;
      g.leader = task;
    }
    g.execed = true;
    g.end_signal = SIGCHLD;
  }

  struct Exit {
    bool group_dead = false;
    std::vector<int> reparented;
    std::vector<int> dying;
  };

  Exit exit_task(int task, int status) {
    Exit result;
    ModelTask& t = tasks[task];
    if (!t.running) return result;
    const int group = t.group;
    if (groups[group].leader == task) {
      t.running = false;
      groups[group].status = status;
    } else {
      drop_task(task);
    }
    if (live_threads(group) > 0) return result;
    groups[group].state = GroupState::kZombie;
    result.group_dead = true;
    for (auto [ns, nr] : pids[groups[group].pid].numbers) {
      if (namespaces[ns].init != group) continue;
      disable(ns);
      result.dying.push_back(ns);
    }
    for (int child : children(group)) {
      set_father(child, choose_reaper(group, child, groups[group].father));
      result.reparented.push_back(child);
    }
    return result;
  }

  void disable(int ns) {
    for (auto& [id, other] : namespaces) {
      if (within(id, ns)) other.disabled = true;
    }
  }

  int choose_reaper(int father, int child, int grandfather) const {
    const std::size_t level = pids.at(groups.at(father).pid).numbers.size();
    for (int g = grandfather;
         g != kNone && groups.contains(g) && groups.at(g).state != GroupState::kDead &&
         pids.at(groups.at(g).pid).numbers.size() == level;
         g = groups.at(g).father) {
      if (groups.at(g).subreaper && groups.at(g).state == GroupState::kAlive &&
          !descends_from(g, child)) {
        return g;
      }
    }
    int ns = ns_of(groups.at(father).pid);
    if (nr_in(groups.at(child).pid, ns) == 0) ns = ns_of(groups.at(child).pid);
    for (; ns != kNone; ns = namespaces.at(ns).parent) {
      const int init = namespaces.at(ns).init;
      if (init == child) continue;
      if (init == kNone || init == father || groups.at(init).state != GroupState::kAlive) {
        return kNone;
      }
      if (!descends_from(init, child)) return init;
    }
    return kNone;
  }

  void reap(int group) {
    ModelGroup& g = groups[group];
    if (g.state != GroupState::kZombie) return;
    g.state = GroupState::kDead;
    g.father = kNone;
    pids[g.pid].group = kNone;
    drop_task(g.leader);
    g.leader = kNone;
    free_if_unused(g.pid);
    free_if_unused(g.pgid);
    free_if_unused(g.sid);
    for (auto& [id, ns] : namespaces) {
      if (ns.init == group) ns.init = kNone;
    }
  }

  std::vector<int> begin_zap(int ns) {
    disable(ns);
    std::vector<int> living;
    for (auto [nr, pid] : namespaces[ns].numbers) {
      const int group = pid == kNone ? kNone : pids[pid].group;
      if (group == kNone || namespaces[ns].init == group) continue;
      if (groups[group].state == GroupState::kAlive) living.push_back(group);
    }
    return living;
  }

  // --- Process groups and sessions ---

  void set_father(int group, int father) {
    groups[group].father = father;
    groups[group].child_order = ++next_order;
  }
  void set_pgid(int group, int pid) {
    const int old = groups[group].pgid;
    if (old == pid) return;
    groups[group].pgid = pid;
    groups[group].pgid_order = ++next_order;
    if (old != kNone) free_if_unused(old);
  }
  void set_sid(int group, int pid) {
    const int old = groups[group].sid;
    if (old == pid) return;
    groups[group].sid = pid;
    groups[group].sid_order = ++next_order;
    if (old != kNone) free_if_unused(old);
  }
  // A host pid that is used again after its last user had left.
  void revive(int pid) {
    auto& taken = namespaces[0].numbers;
    const int nr = pids[pid].numbers[0].second;
    if (!used(pid) && pids[pid].numbers.size() == 1 && !taken.contains(nr)) taken[nr] = pid;
  }
  void begin_session(int group) {
    groups[group].leads_session = true;
    set_sid(group, groups[group].pid);
    set_pgid(group, groups[group].pid);
  }
  int setsid(int group) {
    if (groups[group].state == GroupState::kDead) return ESRCH;
    if (groups[group].leads_session || !members(groups[group].pid, true).empty()) return EPERM;
    begin_session(group);
    return 0;
  }

  int setpgid(int caller, int pid, int pgid) {
    const int self = tasks[caller].group;
    const int ns = ns_of(tasks[caller].pid);
    if (pid == 0) pid = nr_in(groups[self].pid, ns);
    if (pgid == 0) pgid = pid;
    if (pgid < 0) return EINVAL;
    const int found = lookup(ns, pid);
    if (found == kNone || pids[found].task == kNone) return ESRCH;
    const int group = pids[found].group;
    if (group == kNone) return EINVAL;
    if (groups[group].father == self) {
      if (groups[group].sid != groups[self].sid) return EPERM;
      if (groups[group].execed) return EACCES;
    } else if (group != self) {
      return ESRCH;
    }
    if (groups[group].leads_session) return EPERM;
    int target = groups[group].pid;
    if (pgid != pid) {
      target = lookup(ns, pgid);
      if (target == kNone || members(target, true).empty()) return EPERM;
      if (groups[members(target, true).front()].sid != groups[self].sid) return EPERM;
    }
    set_pgid(group, target);
    return 0;
  }

  // --- Namespaces of live tasks ---

  int unshare(int task) {
    const int own = ns_of(tasks[task].pid);
    if (tasks[task].for_children != own) return EINVAL;
    if (namespaces[own].disabled) return ENOMEM;
    tasks[task].for_children = new_namespace(own);
    return 0;
  }
  int setns(int task, int ns) {
    if (!within(ns, ns_of(tasks[task].pid))) return EINVAL;
    tasks[task].for_children = ns;
    return 0;
  }
  int grow(int group) {
    if (groups[group].state != GroupState::kAlive) return ESRCH;
    if (groups[group].reserved_threads > 0) return EBUSY;
    const int own = ns_of(groups[group].pid);
    for (int t : groups[group].threads) {
      if (tasks[t].for_children != own) return EINVAL;
    }
    if (namespaces[own].disabled) return ENOMEM;
    const int ns = new_namespace(own);
    const int error = renumber(group, ns, namespaces[own].level, false);
    if (error != 0) {
      namespaces.erase(ns);
      return error;
    }
    found(ns, group);
    return 0;
  }
  int move(int group, int ns) {
    if (groups[group].state != GroupState::kAlive) return ESRCH;
    const int own = ns_of(groups[group].pid);
    if (own == ns) return 0;
    if (groups[group].reserved_threads > 0) return EBUSY;
    int common = own;
    while (!within(ns, common)) common = namespaces[common].parent;
    for (int at = own; at != common; at = namespaces[at].parent) {
      if (namespaces[at].init == group) return EBUSY;
    }
    if (namespaces[ns].disabled) return ENOMEM;
    if (namespaces[ns].init == kNone && !(pinned && ns == 0)) return ENOMEM;
    return renumber(group, ns, namespaces[common].level, true);
  }

  // --- Signals ---

  int signal_targets(int sender, int pid, std::vector<int>* targets) const {
    const int ns = ns_of(tasks.at(sender).pid);
    const int self = tasks.at(sender).group;
    if (pid > 0) {
      const int found = lookup(ns, pid);
      if (found != kNone && pids.at(found).task != kNone) {
        targets->push_back(tasks.at(pids.at(found).task).group);
      }
    } else if (pid == -1) {
      for (auto [nr, p] : namespaces.at(ns).numbers) {
        const int group = p == kNone ? kNone : pids.at(p).group;
        if (nr > 1 && group != kNone && group != self) targets->push_back(group);
      }
    } else if (pid != std::numeric_limits<int>::min()) {
      const int pgid = pid == 0 ? groups.at(self).pgid : lookup(ns, -pid);
      for (int group : pgid == kNone ? std::vector<int>{} : members(pgid, true)) {
        if (nr_in(groups.at(group).pid, ns) != 0) targets->push_back(group);
      }
    }
    return targets->empty() ? ESRCH : 0;
  }
  bool init_protected(int sender, int target) const {
    for (const auto& [id, ns] : namespaces) {
      if (ns.init == target && nr_in(tasks.at(sender).pid, id) != 0) return true;
    }
    return false;
  }

  const bool pinned;
  std::map<int, ModelNs> namespaces;  // the root is 0
  std::map<int, ModelPid> pids;
  std::map<int, ModelTask> tasks;
  std::map<int, ModelGroup> groups;
  int next_id = 0;
  long next_order = 0;

 private:
  static std::vector<int> in_order(std::vector<std::pair<long, int>>& found) {
    std::sort(found.begin(), found.end());
    std::vector<int> ids;
    for (auto [order, id] : found) ids.push_back(id);
    return ids;
  }

  void found(int ns, int group) {
    namespaces[ns].init = group;
    namespaces[ns].had_init = true;
  }

  int new_group(int task, int pid) {
    const int group = ++next_id;
    ModelGroup g;
    g.pid = pid;
    g.leader = task;
    g.threads = {task};
    groups[group] = g;
    tasks[task].group = group;
    pids[pid].group = group;
    for (auto [ns, nr] : pids[pid].numbers) {
      if (!(pinned && ns == 0) && !namespaces[ns].had_init) found(ns, group);
    }
    return group;
  }

  int renumber(int group, int ns, int kept, bool same) {
    std::vector<int> chain;  // from the first new level down to ns
    for (int at = ns; namespaces[at].level > kept; at = namespaces[at].parent) {
      chain.insert(chain.begin(), at);
    }
    std::map<int, std::vector<std::pair<int, int>>> fresh;
    std::vector<std::pair<int, int>> taken;
    for (int t : groups[group].threads) {
      const auto& old = pids[tasks[t].pid].numbers;
      std::vector<std::pair<int, int>> numbers(old.begin(), old.begin() + kept + 1);
      for (int at : chain) {
        const auto level = static_cast<std::size_t>(namespaces[at].level);
        int nr = old[std::min(level, old.size() - 1)].second;
        if (!same || take(namespaces[at], nr) != 0) nr = allocate(namespaces[at]);
        if (nr == 0) {
          for (auto [where, n] : taken) namespaces[where].numbers.erase(n);
          return EAGAIN;
        }
        namespaces[at].numbers[nr] = kNone;
        taken.emplace_back(at, nr);
        numbers.emplace_back(at, nr);
      }
      fresh[t] = numbers;
    }
    for (const auto& [t, numbers] : fresh) {
      const int pid = tasks[t].pid;
      const auto old = pids[pid].numbers;
      for (std::size_t i = static_cast<std::size_t>(kept) + 1; i < old.size(); ++i) {
        namespaces[old[i].first].numbers.erase(old[i].second);
      }
      pids[pid].numbers = numbers;
      for (std::size_t i = static_cast<std::size_t>(kept) + 1; i < numbers.size(); ++i) {
        namespaces[numbers[i].first].numbers[numbers[i].second] = pid;
      }
      tasks[t].for_children = ns;
    }
    return 0;
  }
};

}  // namespace warren::testing
