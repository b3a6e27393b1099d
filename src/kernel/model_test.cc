// Long random sequences of everything that can happen, on the engine and on a plain model; after
// each step all that can be observed must be the same.
//   WARREN_MODEL_SEED   one seed instead of the fixed ones
//   WARREN_MODEL_STEPS  steps for each seed
#include "kernel/testing/model.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>

namespace warren::testing {
namespace {

struct Held {
  ModelReservation model;
  ForkReservation real;
};

class Driver {
 public:
  Driver(std::uint64_t seed, bool pinned)
      : random_(seed), model_(pinned, 1 + kReservedPids + static_cast<int>(pick(40))) {
    KernelOptions options;
    options.pin_level0 = pinned;
    options.pid_max = model_.namespaces[0].pid_max;
    kernel_ = std::move(Kernel::create(options)).value();
    add_namespace(0, Ref<PidNamespace>(kernel_->root()));
  }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // One random step and the comparison. False when no task is left to do anything with.
  bool step();
  std::string last_operation() const { return operation_.str(); }

 private:
  std::uint64_t pick(std::uint64_t n) {
    return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random_);
  }
  bool chance(int percent) { return pick(100) < static_cast<std::uint64_t>(percent); }
  template <typename Map>
  int any(const Map& map) {
    auto at = map.begin();
    std::advance(at, static_cast<long>(pick(map.size())));
    return at->first;
  }
  int any_task(bool running_only = true) {
    std::vector<int> found;
    for (const auto& [id, t] : model_.tasks) {
      if (running_only ? t.running : t.listed) found.push_back(id);
    }
    return found.empty() ? kNone : found[pick(found.size())];
  }
  int any_group(GroupState state) {
    std::vector<int> found;
    for (const auto& [id, g] : model_.groups) {
      if (g.state == state) found.push_back(id);
    }
    return found.empty() ? kNone : found[pick(found.size())];
  }
  int any_nr() { return static_cast<int>(chance(70) ? 1 + pick(30) : 1 + pick(345)); }

  void say(const std::string& text) {
    operation_.str("");
    operation_ << text;
  }
  template <typename A, typename B>
  void same(const A& real, const B& model, const char* what, int id = kNone) {
    if (real == model) return;
    std::ostringstream text;
    text << what << " of " << id << ": engine " << real << ", model " << model;
    throw std::runtime_error(text.str());
  }
  template <typename T>
  void same_list(const std::vector<Ref<T>>& real, const std::vector<int>& model, const char* what,
                 int id = kNone) {
    std::ostringstream a, b;
    for (const Ref<T>& r : real) a << id_of(r.get()) << ' ';
    for (int m : model) b << m << ' ';
    same(a.str(), b.str(), what, id);
  }
  int id_of(const void* object) const {
    if (object == nullptr) return kNone;
    auto found = ids_.find(object);
    return found == ids_.end() ? -2 : found->second;
  }

  void add_namespace(int id, Ref<PidNamespace> real) {
    ids_[real.get()] = id;
    model_.namespaces[id].real = std::move(real);
  }
  void add_task(int id, const Ref<Task>& real) {
    ModelTask& t = model_.tasks[id];
    t.real = real;
    ids_[real.get()] = id;
    ModelPid& pid = model_.pids[t.pid];
    pid.real = real->pid();
    ids_[pid.real.get()] = t.pid;
    ModelGroup& group = model_.groups[t.group];
    if (group.real == nullptr) {
      group.real = Ref<ThreadGroup>(real->group());
      ids_[group.real.get()] = t.group;
    }
  }

  // Operations.
  void adopt();
  void fork();
  void publish_or_cancel();
  void exit();
  void zap();
  void groups_and_sessions();
  void namespaces();
  void knobs();
  void forget();
  void host_pids();
  std::vector<Nr> random_set_tid();
  int free_level0();

  // Comparisons.
  void compare();
  void compare_namespace(int id, const ModelNs& ns);
  void compare_task(int id, const ModelTask& task);
  void compare_group(int id, const ModelGroup& group);
  void compare_pid(int id, const ModelPid& pid);
  void compare_snapshot();
  void compare_signals();

  std::mt19937_64 random_;
  std::unique_ptr<Kernel> kernel_;  // outlives all references
  Model model_;
  std::unordered_map<const void*, int> ids_;
  std::vector<Held> reservations_;
  std::ostringstream operation_;
};

bool Driver::step() {
  const int task = any_task();
  const auto population = static_cast<int>(model_.tasks.size());
  if (task == kNone && reservations_.empty()) {
    if (model_.namespaces[0].had_init && !model_.pinned) return false;
    adopt();
  } else if (task == kNone) {
    publish_or_cancel();
  } else {
    const auto what = pick(100);
    if (what < 26) {
      if (population < 40)
        fork();
      else
        exit();
    } else if (what < 46) {
      publish_or_cancel();
    } else if (what < 62) {
      exit();
    } else if (what < 64) {
      zap();
    } else if (what < 74) {
      groups_and_sessions();
    } else if (what < 86) {
      namespaces();
    } else if (what < 90) {
      knobs();
    } else if (what < 94) {
      host_pids();
    } else if (what < 96) {
      adopt();
    } else {
      forget();
    }
  }
  compare();
  return true;
}

// A level 0 number that a host might give: free, or a zombie's, or only that of a process group.
int Driver::free_level0() {
  while (true) {
    const int nr = static_cast<int>(1 + pick(400));
    const int pid = model_.lookup(0, nr);
    if (pid == kNone) return nr;
    const ModelPid& p = model_.pids[pid];
    const bool zombie = p.group != kNone && model_.groups[p.group].state == GroupState::kZombie;
    if (p.task == kNone || zombie) return nr;
  }
}

std::vector<Nr> Driver::random_set_tid() {
  std::vector<Nr> set_tid;
  if (!chance(25)) return set_tid;
  const auto count = 1 + pick(4);
  for (std::uint64_t i = 0; i < count; ++i) set_tid.push_back(chance(10) ? 1 : any_nr() - 1);
  return set_tid;
}

void Driver::adopt() {
  AdoptArgs args;
  const std::vector<Nr> set_tid = random_set_tid();
  args.set_tid = set_tid;
  args.as_init = chance(20);
  const int ns = any(model_.namespaces);
  args.level0 = model_.pinned ? free_level0() : 0;
  int pgid = kNone;
  int sid = kNone;
  const int like = any_group(GroupState::kAlive);
  if (like != kNone && chance(70)) {
    pgid = model_.groups[like].pgid;
    sid = model_.groups[like].sid;
    args.pgid = model_.pids[pgid].real;
    args.sid = model_.pids[sid].real;
  }
  say("adopt");
  operation_ << " ns " << ns << " level0 " << args.level0 << " as_init " << args.as_init;
  int error = 0;
  const int task = model_.adopt(ns, args, pgid, sid, &error);
  Result<Ref<Task>> real = kernel_->adopt(*model_.namespaces[ns].real, args);
  same(real.error_code(), error, "adopt");
  if (error == 0) add_task(task, *real);
}

void Driver::fork() {
  const int parent = any_task(!chance(5));
  ForkArgs args;
  args.thread = chance(25);
  args.new_pid_ns = chance(args.thread ? 3 : 15) && model_.namespaces.size() < 12;
  args.clone_parent = chance(8);
  args.exit_signal = chance(80) ? SIGCHLD : SIGUSR1;
  const std::vector<Nr> set_tid = random_set_tid();
  args.set_tid = set_tid;
  say("reserve_fork");
  operation_ << " by " << parent << " thread " << args.thread << " newns " << args.new_pid_ns
             << " clone_parent " << args.clone_parent << " set_tid " << set_tid.size();
  ModelReservation made;
  const int error = model_.reserve_fork(parent, args, &made);
  Result<ForkReservation> real = kernel_->reserve_fork(*model_.tasks[parent].real, args);
  same(real.error_code(), error, "reserve_fork");
  if (error != 0) return;
  if (args.new_pid_ns) add_namespace(made.ns, Ref<PidNamespace>(real->ns()));
  same(id_of(&real->ns()), made.ns, "reservation's namespace");
  for (const auto& [id, ns] : model_.namespaces) {
    same(real->nr_in(*ns.real), model_.nr_in(made.pid, id), "reserved number", id);
  }
  reservations_.push_back(Held{made, std::move(*real)});
}

void Driver::publish_or_cancel() {
  if (reservations_.empty()) return;
  const auto at = reservations_.begin() + static_cast<long>(pick(reservations_.size()));
  Held held = std::move(*at);
  reservations_.erase(at);
  if (chance(10)) {
    say("cancel");
    held.real.cancel();
    model_.cancel(held.model);
    return;
  }
  const int level0 = model_.pinned ? free_level0() : 0;
  say("publish");
  operation_ << " child of " << held.model.parent << " level0 " << level0;
  const int task = model_.publish(held.model, level0);
  add_task(task, kernel_->publish_fork(std::move(held.real), level0));
}

void Driver::exit() {
  const auto what = pick(10);
  if (what < 4) {
    const int zombie = any_group(GroupState::kZombie);
    if (zombie == kNone) return;
    say("reap");
    operation_ << ' ' << zombie;
    model_.reap(zombie);
    kernel_->reap(*model_.groups[zombie].real);
    return;
  }
  const int task = any_task();
  if (what == 4) {
    say("exec");
    operation_ << ' ' << task;
    model_.exec(task);
    kernel_->exec(*model_.tasks[task].real);
    return;
  }
  // The end of an init ends much with it; let that be rare, and that of the root's rarer.
  const int group = model_.tasks[task].group;
  if (model_.is_init(group) && !chance(model_.namespaces[0].init == group ? 1 : 15)) return;
  const int status = static_cast<int>(pick(256)) << 8;
  say("exit");
  operation_ << ' ' << task << " of " << group;
  const Model::Exit expected = model_.exit_task(task, status);
  const ExitResult real = kernel_->exit_task(*model_.tasks[task].real, status);
  same(real.group_dead, expected.group_dead, "group_dead", task);
  same_list(real.reparented, expected.reparented, "reparented", task);
  same_list(real.dying, expected.dying, "dying", task);
}

void Driver::zap() {
  std::vector<int> dead;
  for (const auto& [id, ns] : model_.namespaces) {
    if (ns.disabled) dead.push_back(id);
  }
  if (dead.empty()) return;
  const int ns = dead[pick(dead.size())];
  say("begin_zap");
  operation_ << ' ' << ns;
  const std::vector<int> expected = model_.begin_zap(ns);
  same_list(kernel_->begin_zap(*model_.namespaces[ns].real), expected, "begin_zap", ns);
}

void Driver::groups_and_sessions() {
  const int caller = any_task();
  const int group = model_.tasks[caller].group;
  switch (pick(5)) {
    case 0:
    case 1: {
      const int pid = chance(40) ? 0 : any_nr();
      const int pgid = chance(40) ? 0 : (chance(5) ? -1 : any_nr());
      say("setpgid");
      operation_ << " by " << caller << ": " << pid << ' ' << pgid;
      const int error = model_.setpgid(caller, pid, pgid);
      same(kernel_->setpgid(*model_.tasks[caller].real, pid, pgid).error_code(), error, "setpgid");
      break;
    }
    case 2:
      say("setsid");
      operation_ << ' ' << group;
      same(kernel_->setsid(*model_.groups[group].real).error_code(), model_.setsid(group),
           "setsid");
      break;
    case 3: {
      const int other = model_.groups[any(model_.groups)].pgid;
      if (!model_.used(other)) return;
      say("set_pgrp");
      operation_ << ' ' << group << " to " << other;
      model_.set_pgid(group, other);
      kernel_->set_pgrp(*model_.groups[group].real, *model_.pids[other].real);
      break;
    }
    default:
      if (!chance(30)) return;
      say("commit_setsid");
      operation_ << ' ' << group;
      model_.begin_session(group);
      kernel_->commit_setsid(*model_.groups[group].real);
  }
}

void Driver::namespaces() {
  const int task = any_task(!chance(5));
  const int group = model_.tasks[task].group;
  const int ns = any(model_.namespaces);
  switch (pick(5)) {
    case 0: {
      if (model_.namespaces.size() >= 12) return;
      say("unshare");
      operation_ << ' ' << task;
      const int error = model_.unshare(task);
      same(kernel_->unshare_pid(*model_.tasks[task].real).error_code(), error, "unshare");
      if (error == 0) {
        add_namespace(model_.tasks[task].for_children,
                      model_.tasks[task].real->pid_ns_for_children());
      }
      break;
    }
    case 1:
      say("setns");
      operation_ << ' ' << task << " to " << ns;
      same(kernel_->setns_pid(*model_.tasks[task].real, *model_.namespaces[ns].real).error_code(),
           model_.setns(task, ns), "setns");
      break;
    case 2: {
      if (model_.namespaces.size() >= 12) return;
      say("grow");
      operation_ << ' ' << group;
      const int error = model_.grow(group);
      Result<Nr> real = kernel_->grow(*model_.groups[group].real);
      same(real.error_code(), error, "grow");
      if (error == 0) {
        same(*real, 1, "grown number", group);
        add_namespace(model_.ns_of(model_.groups[group].pid), model_.groups[group].real->ns());
      }
      break;
    }
    case 3:
      say("move");
      operation_ << ' ' << group << " to " << ns;
      same(kernel_->move(*model_.groups[group].real, *model_.namespaces[ns].real).error_code(),
           model_.move(group, ns), "move");
      break;
    default: {
      if (model_.namespaces.size() >= 12 || !chance(20)) return;
      say("create_namespace");
      operation_ << " in " << ns;
      Result<Ref<PidNamespace>> real = kernel_->create_namespace(*model_.namespaces[ns].real);
      same(real.error_code(), model_.namespaces[ns].disabled ? ENOMEM : 0, "create_namespace");
      if (real) add_namespace(model_.new_namespace(ns), *real);
    }
  }
}

void Driver::knobs() {
  const int ns = any(model_.namespaces);
  ModelNs& m = model_.namespaces[ns];
  switch (pick(3)) {
    case 0: {
      const int last = static_cast<int>(pick(360));
      say("set_last_pid");
      operation_ << ' ' << ns << ' ' << last;
      const bool good = last < m.pid_max;
      same(m.real->set_last_pid(last).error_code(), good ? 0 : EINVAL, "set_last_pid");
      if (good) m.last = last;
      break;
    }
    case 1: {
      const int limit = static_cast<int>(299 + pick(50));
      say("set_pid_max");
      operation_ << ' ' << ns << ' ' << limit;
      const bool good = limit > kReservedPids;
      same(m.real->set_pid_max(limit).error_code(), good ? 0 : EINVAL, "set_pid_max");
      if (good) m.pid_max = limit;
      break;
    }
    default: {
      const int group = any_group(GroupState::kAlive);
      if (group == kNone) return;
      const bool on = chance(60);
      say("subreaper");
      operation_ << ' ' << group << ' ' << on;
      model_.groups[group].subreaper = on;
      kernel_->set_child_subreaper(*model_.groups[group].real, on);
    }
  }
}

void Driver::host_pids() {
  const int nr = any_nr();
  say("host_pid");
  operation_ << ' ' << nr;
  int id = model_.lookup(0, nr);
  Result<Ref<Pid>> real = kernel_->host_pid(nr);
  if (id == kNone && model_.namespaces[0].numbers.contains(nr)) {
    same(real.error_code(), EBUSY, "host_pid");
    return;
  }
  same(real.error_code(), 0, "host_pid");
  if (id == kNone) {
    id = ++model_.next_id;
    model_.pids[id].numbers = {{0, nr}};
    model_.pids[id].real = *real;
    model_.namespaces[0].numbers[nr] = id;
    ids_[real->get()] = id;
  }
  same(id_of(real->get()), id, "host_pid");
  const int group = any_group(GroupState::kAlive);
  if (group == kNone || !chance(80)) return;
  operation_ << " for " << group;
  model_.revive(id);
  model_.set_pgid(group, id);
  kernel_->set_pgrp(*model_.groups[group].real, **real);
  if (!chance(50)) return;
  model_.set_sid(group, id);
  kernel_->set_session(*model_.groups[group].real, **real);
}

// Drops what is dead and that nothing names any more, so that the engine frees it for good.
void Driver::forget() {
  say("forget");
  std::map<int, int> named;
  for (const Held& held : reservations_) {
    const ModelReservation& r = held.model;
    for (int id : {r.parent, model_.tasks[r.parent].group, r.ns, r.pid, r.pgid, r.sid}) ++named[id];
  }
  std::erase_if(model_.tasks, [&](const auto& item) {
    const auto& [id, t] = item;
    if (t.listed || named.contains(id) || chance(30)) return false;
    ids_.erase(t.real.get());
    return true;
  });
  for (const auto& [id, t] : model_.tasks) {
    for (int used : {t.group, t.pid, t.for_children}) ++named[used];
  }
  std::erase_if(model_.groups, [&](const auto& item) {
    const auto& [id, g] = item;
    if (g.state != GroupState::kDead || named.contains(id)) return false;
    ids_.erase(g.real.get());
    return true;
  });
  for (const auto& [id, g] : model_.groups) {
    for (int used : {g.pid, g.pgid, g.sid}) ++named[used];
  }
  std::erase_if(model_.pids, [&](const auto& item) {
    const auto& [id, p] = item;
    if (named.contains(id) || model_.lookup(0, p.numbers[0].second) == id) return false;
    ids_.erase(p.real.get());
    return true;
  });
  for (const auto& [id, p] : model_.pids) {
    for (auto [ns, nr] : p.numbers) ++named[ns];
  }
  for (const auto& [id, ns] : model_.namespaces) ++named[ns.parent];
  std::erase_if(model_.namespaces, [&](const auto& item) {
    const auto& [id, ns] = item;
    if (id == 0 || named.contains(id)) return false;
    ids_.erase(ns.real.get());
    return true;
  });
}

void Driver::compare() {
  for (const auto& [id, ns] : model_.namespaces) compare_namespace(id, ns);
  for (const auto& [id, task] : model_.tasks) compare_task(id, task);
  for (const auto& [id, group] : model_.groups) compare_group(id, group);
  for (const auto& [id, pid] : model_.pids) compare_pid(id, pid);
  compare_snapshot();
  compare_signals();
}

void Driver::compare_namespace(int id, const ModelNs& ns) {
  const PidNamespace& real = *ns.real;
  same(real.level(), ns.level, "level", id);
  same(id_of(real.parent().get()), ns.parent, "parent", id);
  same(id_of(real.init().get()), ns.init, "init", id);
  same(real.has_init(), ns.had_init, "has_init", id);
  same(real.alive(), !ns.disabled, "alive", id);
  same(real.last_pid(), ns.last, "last_pid", id);
  same(real.pid_max(), ns.pid_max, "pid_max", id);
  same(real.nr_tasks(), model_.own_tasks(id), "nr_tasks", id);
  same(real.nr_visible_tasks(), model_.visible_tasks(id), "nr_visible_tasks", id);
  same(real.nr_pids(), static_cast<int>(ns.numbers.size()), "nr_pids", id);
  same(kernel_->zap_complete(real), model_.zap_complete(id), "zap_complete", id);
  for (const auto& [other, other_ns] : model_.namespaces) {
    same(real.is_within(*other_ns.real), model_.within(id, other), "is_within", id);
  }
  for (Nr nr = -1; nr < 410; ++nr) {
    const int pid = model_.lookup(id, nr);
    const int task = pid == kNone ? kNone : model_.pids[pid].task;
    const int group = pid == kNone ? kNone : model_.pids[pid].group;
    {
      ReadSection section;
      same(id_of(kernel_->lookup_pid(real, nr, section)), pid, "lookup_pid", nr);
    }
    same(id_of(kernel_->find_pid(real, nr).get()), pid, "find_pid", nr);
    same(id_of(kernel_->find_task(real, nr).get()), task, "find_task", nr);
    same(id_of(kernel_->find_group(real, nr).get()), group, "find_group", nr);
  }
}

void Driver::compare_task(int id, const ModelTask& task) {
  const Task& real = *task.real;
  same(id_of(real.pid().get()), task.pid, "pid", id);
  same(id_of(&real.group()), task.group, "group", id);
  same(real.alive(), task.running, "alive", id);
  same(real.is_leader(), model_.groups[task.group].leader == id, "is_leader", id);
  same(id_of(real.ns().get()), model_.ns_of(task.pid), "ns", id);
  same(id_of(real.pid_ns_for_children().get()), task.for_children, "pid_ns_for_children", id);
  std::vector<Nr> numbers;
  for (auto [ns, nr] : model_.pids[task.pid].numbers) numbers.push_back(nr);
  same(real.numbers() == numbers, true, "numbers", id);
  same(real.vnr(), numbers.back(), "vnr", id);
  same(real.level0(), numbers.front(), "level0", id);
  for (const auto& [ns_id, ns] : model_.namespaces) {
    same(real.nr_in(*ns.real), model_.nr_in(task.pid, ns_id), "nr_in", id);
  }
}

void Driver::compare_group(int id, const ModelGroup& group) {
  const ThreadGroup& real = *group.real;
  same(id_of(real.leader().get()), group.leader, "leader", id);
  same(id_of(real.pid().get()), group.pid, "pid", id);
  same(id_of(real.parent().get()), group.father, "parent", id);
  same(id_of(real.pgid().get()), group.pgid, "pgid", id);
  same(id_of(real.sid().get()), group.sid, "sid", id);
  same(id_of(real.ns().get()), model_.ns_of(group.pid), "ns", id);
  same(real.is_init(), model_.is_init(id), "is_init", id);
  same(real.is_session_leader(), group.leads_session, "is_session_leader", id);
  same(real.is_child_subreaper(), group.subreaper, "is_child_subreaper", id);
  same(real.did_exec(), group.execed, "did_exec", id);
  same(static_cast<int>(real.state()), static_cast<int>(group.state), "state", id);
  same(real.exit_status(), group.status, "exit_status", id);
  same(real.exit_signal(), group.end_signal, "exit_signal", id);
  same(real.nr_threads(), model_.live_threads(id), "nr_threads", id);
  same_list(real.children(), model_.children(id), "children", id);
  same(real.children(1).size(), std::min<std::size_t>(1, real.children().size()), "children(1)",
       id);
  same_list(real.threads(), group.threads, "threads", id);
  for (const auto& [ns_id, ns] : model_.namespaces) {
    same(real.nr_in(*ns.real), model_.nr_in(group.pid, ns_id), "nr_in", id);
    same(real.pgid_nr_in(*ns.real), model_.nr_in(group.pgid, ns_id), "pgid_nr_in", id);
    same(real.sid_nr_in(*ns.real), model_.nr_in(group.sid, ns_id), "sid_nr_in", id);
    same(real.parent_nr_in(*ns.real),
         group.father == kNone ? 0 : model_.nr_in(model_.groups[group.father].pid, ns_id),
         "parent_nr_in", id);
  }
}

void Driver::compare_pid(int id, const ModelPid& pid) {
  if (pid.real == nullptr) return;  // reserved
  same(pid.real->level() + 1, static_cast<int>(pid.numbers.size()), "levels", id);
  same(id_of(pid.real->task().get()), pid.task, "task", id);
  same(id_of(pid.real->group().get()), pid.group, "group", id);
  const std::vector<int> pgrp = model_.members(id, true);
  const std::vector<int> session = model_.members(id, false);
  same_list(kernel_->members(*pid.real, PidType::kPgid), pgrp, "process group", id);
  same_list(kernel_->members(*pid.real, PidType::kSid), session, "session", id);
  same(pid.real->in_use(PidType::kPid), pid.task != kNone, "in use as pid", id);
  same(pid.real->in_use(PidType::kTgid), pid.group != kNone, "in use as tgid", id);
  same(pid.real->in_use(PidType::kPgid), !pgrp.empty(), "in use as pgid", id);
  same(pid.real->in_use(PidType::kSid), !session.empty(), "in use as sid", id);
}

void Driver::compare_snapshot() {
  const Snapshot all = kernel_->snapshot();
  std::map<int, int> seen;
  for (const NamespaceSnapshot& ns : all.namespaces) {
    const int id = id_of(ns.ns.get());
    if (id == -2) continue;  // forgotten here, not freed yet there
    ++seen[id];
    same(ns.parent == nullptr || seen.contains(id_of(ns.parent.get())), true, "parents first", id);
    same(id_of(ns.init.get()), model_.namespaces[id].init, "snapshot's init", id);
    same(ns.nr_tasks, model_.own_tasks(id), "snapshot's nr_tasks", id);
  }
  same(seen.size(), model_.namespaces.size(), "namespaces in the snapshot");
  std::size_t listed = 0;
  for (const auto& [id, t] : model_.tasks) listed += t.listed ? 1 : 0;
  same(all.tasks.size(), listed, "tasks in the snapshot");
  for (std::size_t i = 0; i < all.tasks.size(); ++i) {
    const TaskSnapshot& s = all.tasks[i];
    const int id = id_of(s.task.get());
    const ModelTask& t = model_.tasks.at(id);
    const ModelGroup& g = model_.groups.at(t.group);
    same(id_of(s.group.get()), t.group, "snapshot's group", id);
    same(id_of(s.parent.get()), g.father, "snapshot's parent", id);
    same(id_of(s.pgid.get()), g.pgid, "snapshot's pgid", id);
    same(id_of(s.sid.get()), g.sid, "snapshot's sid", id);
    same(id_of(s.ns.get()), model_.ns_of(t.pid), "snapshot's ns", id);
    same(s.numbers == t.real->numbers(), true, "snapshot's numbers", id);
    same(s.tgid == g.real->pid()->numbers(), true, "snapshot's tgid", id);
    same(s.is_leader, g.leader == id, "snapshot's is_leader", id);
    same(s.alive, t.running, "snapshot's alive", id);
    same(s.is_init, model_.namespaces[model_.ns_of(t.pid)].init == t.group, "is_init", id);
    same(static_cast<int>(s.state), static_cast<int>(g.state), "snapshot's state", id);
  }
}

void Driver::compare_signals() {
  const int sender = any_task();
  if (sender == kNone) return;
  for (int i = 0; i < 4; ++i) {
    const int pid = i == 0 ? 0 : i == 1 ? -1 : i == 2 ? any_nr() : -any_nr();
    std::vector<int> expected;
    const int error = model_.signal_targets(sender, pid, &expected);
    auto real = kernel_->signal_targets(*model_.tasks[sender].real, pid);
    same(real.error_code(), error, "signal_targets", pid);
    if (real) same_list(*real, expected, "signal_targets", pid);
  }
  for (const auto& [id, g] : model_.groups) {
    same(Kernel::init_protected(model_.tasks[sender].real.get(), *g.real),
         model_.init_protected(sender, id), "init_protected", id);
    same(Kernel::init_protected(nullptr, *g.real), false, "protected from the kernel", id);
  }
}

int steps_wanted() {
  const char* steps = std::getenv("WARREN_MODEL_STEPS");
  return steps == nullptr ? 1500 : std::atoi(steps);
}

void run(std::uint64_t seed, bool pinned) {
  int steps = steps_wanted();
  for (std::uint64_t round = 0; steps > 0; ++round) {
    Driver driver(seed + (round << 32), pinned);
    for (bool more = true; more && steps > 0; --steps) {
      try {
        more = driver.step();
      } catch (const std::runtime_error& error) {
        FAIL() << "WARREN_MODEL_SEED=" << seed << (pinned ? " (pinned)" : "") << ", round " << round
               << ", " << steps << " steps before the end, after " << driver.last_operation()
               << ": " << error.what();
      }
    }
  }
}

class ModelTest : public ::testing::TestWithParam<int> {};

TEST_P(ModelTest, EngineNumbers) { run(static_cast<std::uint64_t>(GetParam()), false); }
TEST_P(ModelTest, PinnedNumbers) { run(static_cast<std::uint64_t>(GetParam()), true); }

std::vector<int> seeds() {
  if (const char* seed = std::getenv("WARREN_MODEL_SEED")) return {std::atoi(seed)};
  return {1, 2, 3, 4, 5, 6, 7, 8};
}
INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, ::testing::ValuesIn(seeds()));

}  // namespace
}  // namespace warren::testing
