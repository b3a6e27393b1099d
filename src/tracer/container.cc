#include "tracer/container.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "arch/x86_64/loader.h"
#include "tracer/backend.h"
#include "tracer/group_service.h"
#include "tracer/loader_calls.h"
#include "tracer/process_flags.h"
#include "tracer/seccomp_filter.h"
#include "tracer/syscall_table.h"

namespace warren {

namespace {
KernelOptions engine_options() {
  KernelOptions options;
  options.pin_level0 = true;
  return options;
}
}  // namespace

Result<std::unique_ptr<Container>> Container::create(const std::string& name, FrontLine& front,
                                                     const Service& service,
                                                     DelegatedCgroup* cgroup) {
  auto kernel = Kernel::create(engine_options());
  if (!kernel) return kernel.error();
  auto ns = (*kernel)->create_namespace((*kernel)->root());
  if (!ns) return ns.error();
  std::unique_ptr<Container> container(
      new Container(std::move(*kernel), std::move(*ns), name, front, service));
  container->cgroup_ = cgroup;
  if (auto groups = container->runtime_.start_groups(cgroup); !groups) return groups.error();
  if (cgroup != nullptr) cgroup->watch(container->runtime_.groups());
  Agents& agents = container->runtime_.agents();
  if (service.agent) {
    // Who did not ask for it by name is served without.
    if (auto enabled = agents.enable(); !enabled && service.agent_unscoped) return enabled.error();
  }
  if (service.ask_paths) {
    agents.ask_paths();
    container->runtime_.procfs().suspect_all();
  }
  if (agents.enabled() && service.untraced) {
    if (auto r = container->tracer_.leave_guests_untraced(); !r) return r.error();
    agents.serve_untraced(service.signal_self);
  }
  // Without, each process has its own.
  if (agents.enabled()) (void)agents.keep_texts();
  const bool agent_paths = agents.enabled() && !service.ask_paths;
  std::vector<LoaderCall> loader;
  if (agent_paths) loader = find_loader_calls(arch::kLoader, below_loader());
  agents.expect_unseen_calls(loader);
  container->filter_ =
      build_seccomp_filter(syscall_table(), agent_paths, container->runtime_.untraced(), loader);
  return container;
}

Container::Container(std::unique_ptr<Kernel> kernel, Ref<PidNamespace> ns, const std::string& name,
                     FrontLine& front, const Service& service)
    : runtime_(std::move(kernel), name),
      tracer_(runtime_),
      ns_(std::move(ns)),
      front_(front),
      service_(service),
      started_(std::time(nullptr)) {
  runtime_.set_tracer(tracer_);
  tracer_.set_freeze_observer([this](Task& task) { runtime_.groups().task_frozen(task); });
}

Container::~Container() = default;

// Groups and sessions whose leaders are outside the host's own pid namespace all have the number 0;
// they are one here.
Result<Ref<Pid>> Container::host_pid(pid_t nr) {
  if (nr != 0) return runtime_.kernel().host_pid(nr);
  if (!nameless_) {
    auto made = runtime_.kernel().host_pid(0);
    if (!made) return made;
    nameless_ = std::move(*made);
  }
  return nameless_;
}

// One group in the hierarchies of `groups`, the root in all others.
Result<void> Container::enter_groups(Task& task, std::span<const GroupRef> groups) {
  Groups& all = runtime_.groups();
  if (auto r = all.adopt(task, groups.empty() ? nullptr : groups[0].get()); !r) return r;
  const Ref<Task> one[] = {Ref<Task>(task)};
  for (std::size_t i = 1; i < groups.size(); ++i) {
    if (auto r = all.move(*groups[i], one); !r) return r;
  }
  return {};
}

Result<GuestStart> Container::join(const GuestProgram& program, PidNamespace& ns, bool init,
                                   std::span<const GroupRef> groups, std::string* failed_step) {
  *failed_step = "fork";
  auto start = GuestStart::begin(program, filter_, init, init && service_.landlock);
  if (!start) return start.error();
  const pid_t pid = start->pid();
  const auto give_up = [&](Errno error) {
    ::kill(pid, SIGKILL);
    waitpid(pid, nullptr, __WALL);
    return error;
  };
  AdoptArgs args;
  args.level0 = pid;
  args.as_init = init;
  if (!program.own_session) {
    auto group = host_pid(getpgrp());
    auto session = host_pid(getsid(0));
    if (!group) return give_up(group.error());
    if (!session) return give_up(session.error());
    args.pgid = std::move(*group);
    args.sid = std::move(*session);
  }
  *failed_step = "namespace";
  // A zombie of that number which the host has forgotten already.
  if (const Ref<Task> old = runtime_.task_of(pid)) tracer_.reap(old->group());
  auto task = runtime_.kernel().adopt(ns, args);
  if (!task) return give_up(task.error());
  *failed_step = "group";
  if (auto r = enter_groups(**task, groups); !r) {
    tracer_.abandon(**task);
    return give_up(r.error());
  }
  const auto take_back = [&](Errno error) {
    ::kill(pid, SIGKILL);
    return error;  // its death is reported to the tracer, or it is a plain child
  };
  *failed_step = "ptrace";
  if (auto r = tracer_.attach(pid, *task); !r) {
    tracer_.abandon(**task);
    return give_up(r.error());
  }
  // Landlock's domains are inherited, not joined: who comes from outside is in none.
  if (!init) {
    set_flag((*task)->group(), ProcessFlag::kNoAgent);
    set_flag((*task)->group(), ProcessFlag::kOutsider);
  }
  *failed_step = "seccomp";
  auto listener = start->install_filter();
  if (!listener) return take_back(listener.error());
  if (init && !start->scoped() && !service_.agent_unscoped) runtime_.agents().ask_paths();
  // A notifier whose guests have all gone serves no more.
  notifiers_.remove_if([](const Notifier& notifier) { return notifier.idle(); });
  notifiers_.emplace_back(runtime_, std::move(*listener), service_.sync_wakeup);
  // It came into groups that are frozen: it waits for its exec until they thaw.
  tracer_.interrupt_if_frozen(**task);
  return start;
}

std::optional<Container::StartError> Container::start(const GuestProgram& program,
                                                      const GroupOptions& options) {
  Groups& groups = runtime_.groups();
  const GroupCaller caller{.uid = getuid(), .gid = getgid()};
  const GroupRef root = groups.default_root();
  auto group = make_groups(groups, *root, options.path, {.uid = caller.uid, .gid = caller.gid});
  if (!group) return StartError{"--group: " + options.path, group.error_code()};
  for (const auto& [file, value] : options.settings) {
    if (auto r = groups.write(**group, file, value, caller); !r) {
      return StartError{"--set: " + file + "=" + value, r.error_code()};
    }
  }
  std::string step;
  auto start = join(program, *ns_, true, {&*group, 1}, &step);
  if (!start) return StartError{step, start.error_code()};
  init_ = start->pid();
  tracer_.set_exit_observer([this](pid_t tid, int status) { on_child_exit(tid, status); });
  tracer_.set_stop_observer([this](pid_t tid, int signal) {
    if (tid != init_) return;
    // A stop by the terminal reaches the front by itself when it is in the same process group.
    if (signal != SIGSTOP && getpgid(init_) == getpgrp()) return;
    front_.stopped();
  });
  start->exec();
  first_exec_ = std::thread([this, waiting = std::move(*start)]() mutable {
    end_.exec_error = waiting.exec_error(true);
    if (end_.exec_error == 0) front_.started(init_);
  });
  return std::nullopt;
}

Container::End Container::serve() {
  tracer_.run();
  first_exec_.join();
  return end_;
}

void Container::close() {
  // They may yet be at calls of guests that were killed, with what these are charged for in hand.
  notifiers_.clear();
  runtime_.stop_groups();
  tracer_.forget_all();
  // Whatever was charged was given back, by whichever way its task went.
  assert(runtime_.groups().nr_proxies() == 0);
}

std::vector<GroupRef> Container::groups_of_init(const PidNamespace& ns) {
  std::vector<GroupRef> found;
  const Ref<ThreadGroup> init = ns.init();
  const Ref<Task> leader = init ? init->leader() : nullptr;
  if (!leader) return found;
  for (const GroupRef& root : runtime_.groups().hierarchies()) {
    GroupRef group = runtime_.groups().group_of(*leader, root->hierarchy());
    if (group && group->parent()) found.push_back(std::move(group));
  }
  return found;
}

void Container::on_child_exit(pid_t tid, int wait_status) {
  if (tid == init_) {
    end_.wait_status = wait_status;
    tracer_.finish();
    return;
  }
  const auto it = joined_.find(tid);
  if (it == joined_.end()) return;
  Joined joined = std::move(it->second);
  joined_.erase(it);
  const int exec_error = joined.start.exec_error(false);
  if (joined.on_exit) joined.on_exit({wait_status, exec_error});
}

template <typename F>
auto Container::on_tracer(F work) -> decltype(work()) {
  std::promise<decltype(work())> promise;
  auto future = promise.get_future();
  if (!tracer_.post([&] { promise.set_value(work()); })) return Errno{ESRCH};
  return future.get();
}

void Container::kill_all() {
  tracer_.post([this] {
    tracer_.nobody_waits();
    for (const Ref<ThreadGroup>& group : runtime_.kernel().begin_zap(*ns_)) {
      ::kill(group->level0(), SIGKILL);
    }
    if (const Ref<ThreadGroup> init = ns_->init()) ::kill(init->level0(), SIGKILL);
  });
}

std::uint64_t Container::shown_inode(const Ref<PidNamespace>& ns) {
  const auto inode = runtime_.namespace_files().inode(ns);
  return inode ? *inode : ns->inode();
}

control::ContainerInfo Container::info() {
  tracer_.take_in_news();
  const Snapshot all = runtime_.kernel().snapshot();
  control::ContainerInfo info;
  info.name = runtime_.name();
  info.backend = backend_name(runtime_.untraced()           ? Backend::kUntraced
                              : runtime_.agents().enabled() ? Backend::kInject
                                                            : Backend::kPtrace);
  info.cgroup = cgroup_ != nullptr ? "delegate" : "warren";
  if (cgroup_ != nullptr) info.kernel_controllers = cgroup_->controllers();
  info.supervisor_pid = getpid();
  info.started = started_;
  for (const NamespaceSnapshot& ns : all.namespaces) {
    if (ns.level == 0 || (!ns.alive && ns.nr_tasks == 0)) continue;
    control::NamespaceInfo shown;
    shown.inode = shown_inode(ns.ns);
    shown.level = ns.level;
    shown.parent_inode = ns.level > 1 ? shown_inode(ns.parent) : 0;
    shown.init_level0 = ns.init ? ns.init->level0() : 0;
    shown.nr_tasks = ns.nr_tasks;
    shown.by_guest = ns.level > 1;
    shown.last_nr = ns.ns->last_pid();
    shown.pid_max = ns.ns->pid_max();
    info.namespaces.push_back(std::move(shown));
  }
  for (const TaskSnapshot& task : all.tasks) {
    if (!task.is_leader) continue;
    control::TaskInfo shown;
    shown.nrs = task.numbers;
    shown.ns_inode = shown_inode(task.ns);
    shown.level = task.ns->level();
    shown.parent_level0 = task.parent ? task.parent->level0() : 0;
    shown.is_init = task.is_init;
    info.tasks.push_back(std::move(shown));
  }
  return info;
}

std::optional<std::uint64_t> Container::namespace_of(pid_t host_pid) {
  tracer_.take_in_news();
  const Ref<Task> task = runtime_.task_of(host_pid);
  if (!task) return std::nullopt;
  return shown_inode(task->ns());
}

Ref<PidNamespace> Container::namespace_by_inode(std::uint64_t inode) {
  for (const NamespaceSnapshot& ns : runtime_.kernel().snapshot().namespaces) {
    if (ns.level > 0 && shown_inode(ns.ns) == inode) return ns.ns;
  }
  return nullptr;
}

Result<control::ExecStarted> Container::exec(const control::Peer&, control::ExecRequest request,
                                             std::function<void(control::ExecEnd)> on_exit) {
  return on_tracer([&] { return exec_on_tracer(request, std::move(on_exit)); });
}

Result<control::ExecStarted> Container::exec_on_tracer(
    control::ExecRequest& request, std::function<void(control::ExecEnd)> on_exit) {
  const Ref<PidNamespace> ns = namespace_by_inode(request.ns_inode);
  if (!ns || !ns->alive() || !ns->init()) return Errno{ESRCH};
  GuestProgram program;
  program.program = std::move(request.program);
  program.argv = std::move(request.argv);
  program.env = std::move(request.env);
  program.own_session = true;
  program.controlling_terminal = request.tty;
  program.cwd = std::move(request.cwd);
  program.umask = static_cast<int>(request.umask);
  program.replace_stdio = true;
  for (std::size_t i = 0; i < 3; ++i) program.stdio[i] = request.stdio[i].get();
  std::string step;
  auto start = join(program, *ns, false, groups_of_init(*ns), &step);
  if (!start) return start.error();
  const pid_t pid = start->pid();
  const Ref<Task> task = runtime_.task_of(pid);
  control::ExecStarted started{next_id_++, pid, task ? task->vnr() : 0};
  start->exec();
  joined_.emplace(pid, Joined{started.id, std::move(*start), std::move(on_exit)});
  return started;
}

Result<void> Container::signal_exec(std::uint64_t id, int signal) {
  return on_tracer([&]() -> Result<void> {
    for (const auto& [pid, joined] : joined_) {
      if (joined.id != id) continue;
      // To the process group that it leads: its session has no terminal to do so.
      if (::kill(-pid, signal) != 0 && ::kill(pid, signal) != 0) return Errno{errno};
      return {};
    }
    return Errno{ESRCH};
  });
}

Result<control::GroupReply> Container::group(const control::Peer& peer,
                                             const control::GroupRequest& request) {
  const GroupService::NamespaceLookup lookup = [this](std::uint64_t inode) {
    return namespace_by_inode(inode);
  };
  return GroupService(runtime_, peer, lookup).serve(request);
}

Result<void> Container::kill(const control::Peer&, const control::KillRequest& request) {
  if (request.signal < 0 || request.signal > 64) return Errno{EINVAL};
  tracer_.take_in_newborn();
  return on_tracer([&]() -> Result<void> {
    const Ref<PidNamespace> ns = namespace_by_inode(request.ns_inode);
    if (!ns) return Errno{ESRCH};
    if (request.nr != 0) {
      const Ref<Task> task = runtime_.kernel().find_task(*ns, request.nr);
      if (!task) return Errno{ESRCH};
      if (::kill(task->group().level0(), request.signal) != 0) return Errno{errno};
      return {};
    }
    if (request.signal == SIGKILL) {
      // The end of its init is the end of the namespace.
      const Ref<ThreadGroup> init = ns->init();
      if (!init) return Errno{ESRCH};
      if (::kill(init->level0(), SIGKILL) != 0) return Errno{errno};
      return {};
    }
    for (const TaskSnapshot& task : runtime_.kernel().snapshot().tasks) {
      if (task.is_leader && task.ns->is_within(*ns)) ::kill(task.numbers[0], request.signal);
    }
    return {};
  });
}

}  // namespace warren
