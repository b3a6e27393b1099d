#include "tracer/tracer.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <utility>

#include "tracer/process_flags.h"
#include "tracer/ptrace.h"
#include "tracer/short_slices.h"

namespace warren {

namespace {

constexpr unsigned kBaseOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP;

// TracerPid of a process; 0 if it has none or is gone.
pid_t tracer_of(pid_t pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE* file = std::fopen(path, "re");
  if (!file) return 0;
  char line[256];
  int tracer = 0;
  while (std::fgets(line, sizeof line, file)) {
    if (std::sscanf(line, "TracerPid: %d", &tracer) == 1) break;
  }
  std::fclose(file);
  return tracer;
}

}  // namespace

Tracer::Tracer(Runtime& runtime) : runtime_(runtime), waiter_(runtime.stats()), forks_(runtime) {
  waiter_.set_death_observer([this](pid_t tid) { note_times(tid); });
}

Tracer::~Tracer() = default;

bool Tracer::post(std::function<void()> work) {
  {
    const std::lock_guard lock(posted_mutex_);
    if (closed_) return false;
    posted_.push_back(std::move(work));
  }
  posted_changed_.notify_one();
  waiter_.interrupt();
  return true;
}

void Tracer::settle() {
  take_in_news();
  std::promise<void> done;
  const bool posted = post([&] {
    drain();
    done.set_value();
  });
  if (posted) done.get_future().wait();
}

// As many as can have been there at the beginning: each task has one to report, and may die. More
// may come as fast as they are served.
void Tracer::drain() {
  WaitEvent event = waiter_.poll();
  for (std::size_t left = 2 * tracees_.size() + 16;
       event.kind == WaitEvent::Kind::kTask && left > 0; --left) {
    dispatch(event.tid, event.status);
    if (left > 1) event = waiter_.poll();
  }
}

void Tracer::close() {
  {
    const std::lock_guard lock(posted_mutex_);
    closed_ = true;
  }
  run_posted();
}

void Tracer::run_posted() {
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(posted_mutex_);
    work.swap(posted_);
  }
  for (auto& w : work) w();
}

void Tracer::run() {
  waiter_.attach_thread();
  ask_for_short_slices();
  serve();
  close();
}

void Tracer::serve() {
  while (true) {
    run_posted();
    left_.clear();
    if (!interrupted_.empty()) collect_interrupted();
    if (!moves_.empty()) advance_moves();
    if (forks_.has_orphans()) look_for_orphans();
    if (runtime_.agent_forks().has_orphans()) look_for_lost_children_now_and_then();
    // Whatever just happened, a death or a number that was given back, may have been the last that
    // a dying namespace waited for.
    awaits_deaths_ = !zapping_.empty() || !moves_.empty();
    if (!zapping_.empty()) release_held_inits();
    if (finishing_ && tracees_.empty()) return;
    const WaitEvent event = waiter_.wait(runtime_.agent_forks().has_orphans());
    switch (event.kind) {
      case WaitEvent::Kind::kTask:
        dispatch(event.tid, event.status);
        break;
      case WaitEvent::Kind::kInterrupted:
        break;
      case WaitEvent::Kind::kNoTasks: {
        if (finishing_ || nobody_waits_) return;
        const auto is_posted = [&] { return !posted_.empty(); };
        std::unique_lock lock(posted_mutex_);
        if (zapping_.empty()) {
          posted_changed_.wait(lock, is_posted);
        } else {
          // Nobody tells that a fork which was under way has come to nothing.
          posted_changed_.wait_for(lock, std::chrono::milliseconds(1), is_posted);
        }
        break;
      }
    }
  }
}

void Tracer::look_for_orphans() {
  drain();
  if (!forks_.has_orphans()) return;
  // Everything that has happened is served. If no unknown task is ours, none will come.
  bool unknown = false;
  if (DIR* proc = opendir("/proc")) {
    while (const dirent* entry = readdir(proc)) {
      const pid_t pid = std::atoi(entry->d_name);
      if (pid <= 0 || tracees_.contains(pid)) continue;
      if (traces(pid)) unknown = true;
    }
    closedir(proc);
  }
  if (unknown) return;
  forks_.drop_orphans();
}

bool Tracer::traces(pid_t tid) { return tracer_of(tid) == gettid(); }

Tracee* Tracer::find(pid_t tid) {
  const auto it = tracees_.find(tid);
  return it == tracees_.end() ? nullptr : it->second.get();
}

Tracee& Tracer::add(pid_t tid, Ref<Task> task) {
  auto tracee = std::make_unique<Tracee>();
  tracee->tid = tid;
  tracee->task = std::move(task);
  return *(tracees_[tid] = std::move(tracee));
}

unsigned Tracer::wanted_options(const Task& task) const {
  unsigned options = kBaseOptions;
  // A thread other than the leader changes its id when it execs. Where guests run untraced, what
  // asks for tracing may end with the program; all have it there, since an option that comes later
  // interrupts.
  if (!task.is_leader() || runtime_.untraced()) options |= PTRACE_O_TRACEEXEC;
  // An init's end waits for its namespace's; robust mutexes are mended before their owner is gone.
  if (task.group().is_init() || has_flag(task.group(), ProcessFlag::kSharesMemory)) {
    options |= PTRACE_O_TRACEEXIT;
  }
  // What a guest that traces may ask for at any time, and is shown then.
  if (has_flag(task.group(), ProcessFlag::kGuestTraced)) {
    options |= PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
               PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORKDONE;
  }
  return options;
}

void Tracer::update_options(Tracee& tracee) {
  const unsigned options = wanted_options(*tracee.task);
  if (options != tracee.options && ptrace_call::set_options(tracee.tid, options)) {
    tracee.options = options;
  }
}

void Tracer::refresh_options(ThreadGroup& process) {
  for (const Ref<Task>& thread : process.threads()) {
    Tracee* const tracee = runtime_.untraced() ? seize(thread) : find(thread->level0());
    if (!tracee) continue;
    update_options(*tracee);
    // One that runs is made to stop for it (on_event_stop()).
    if (tracee->options != wanted_options(*tracee->task)) {
      ptrace_call::raw(PTRACE_INTERRUPT, tracee->tid, nullptr, nullptr);
    }
  }
}

Result<void> Tracer::attach(pid_t tid, Ref<Task> task) {
  const unsigned options = wanted_options(*task);
  if (ptrace_call::raw(PTRACE_SEIZE, tid, nullptr,
                       reinterpret_cast<void*>(static_cast<std::uintptr_t>(options))) != 0) {
    return Errno{errno};
  }
  add(tid, std::move(task)).options = options;
  return {};
}

void Tracer::dispatch(pid_t tid, int status) {
  runtime_.stats().stops.fetch_add(1, std::memory_order_relaxed);
  if (WIFEXITED(status) || WIFSIGNALED(status)) {
    on_death(tid, status);
    return;
  }
  if (!WIFSTOPPED(status)) return;
  Tracee* tracee = find(tid);
  if (!tracee && status >> 16 == PTRACE_EVENT_EXEC) {
    on_exec(tid);
    return;
  }
  if (!tracee && status >> 16 == 0 && runtime_.untraced() && !traces(tid)) {
    on_stop_of_own_child(tid, WSTOPSIG(status));
    return;
  }
  if (!tracee) {
    on_unknown(tid, status);
    return;
  }
  if (!tracee->task) {
    end_stray(tid);
    return;
  }
  tracee->listening = false;
  const int signal = WSTOPSIG(status);
  switch (status >> 16) {
    case 0:
      if (signal == (SIGTRAP | 0x80)) {
        on_syscall_stop(*tracee);
      } else {
        on_signal(*tracee, signal);
      }
      break;
    case PTRACE_EVENT_SECCOMP:
      on_seccomp_stop(*tracee);
      break;
    case PTRACE_EVENT_STOP:
      on_event_stop(*tracee, signal);
      break;
    case PTRACE_EVENT_EXEC:
      on_exec(tid);
      break;
    case PTRACE_EVENT_EXIT:
      on_exit_event(*tracee);
      break;
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
    case PTRACE_EVENT_VFORK_DONE:
      on_fork_event(*tracee, status >> 16);
      break;
    default:
      go_on(*tracee);
      break;
  }
}

}  // namespace warren
