#include "tracer/move.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include "inject/image.h"
#include "tracer/cached_tid.h"
#include "tracer/ptrace.h"
#include "tracer/robust_list.h"
#include "tracer/runtime.h"
#include "tracer/thread_end.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

// A task stops within microseconds, unless it waits for a device or a server of files that do not
// answer.
constexpr std::chrono::seconds kPatience{5};

// A number that somebody knew before the move.
struct KnownChild {
  Ref<ThreadGroup> child;
  Ref<ThreadGroup> parent;
  Nr nr;
};

std::vector<KnownChild> known_children(const std::vector<Ref<ThreadGroup>>& processes) {
  std::vector<KnownChild> known;
  for (const Ref<ThreadGroup>& process : processes) {
    if (const Ref<ThreadGroup> parent = process->parent()) {
      known.push_back({process, parent, process->nr_in(*parent->ns())});
    }
    for (const Ref<ThreadGroup>& child : process->children()) {
      known.push_back({child, process, child->nr_in(*process->ns())});
    }
  }
  return known;
}

// Moves all or none.
Result<void> move_all(Kernel& kernel, const std::vector<Ref<ThreadGroup>>& processes,
                      PidNamespace& target) {
  const Ref<PidNamespace> left = processes.front()->ns();
  for (std::size_t i = 0; i < processes.size(); ++i) {
    const auto moved = kernel.move(*processes[i], target);
    if (moved) continue;
    // Nobody else takes numbers meanwhile, so that they all get their own again.
    while (i > 0) (void)kernel.move(*processes[--i], *left);
    return moved.error();
  }
  return {};
}

// Whether the stopped task is where its agent has a number in hand: in a fork, about to signal
// itself, or behind a wait that has found a child.
bool in_midst_of_agent(pid_t tid) {
  const inject::Header& header = inject::agent_header();
  arch::Registers regs;
  if (!ptrace_call::get_registers(tid, &regs)) return false;
  if (regs.ip() >= header.services[inject::kServeKill] && regs.ip() < header.signal_self_ip) {
    return true;
  }
  if (regs.ip() < header.services[inject::kServeWait4] || regs.ip() >= header.clone_end) {
    return false;
  }
  return regs.ip() != header.wait_ip || regs.result() > 0;
}

}  // namespace

Result<Nr> move_to_namespace(Runtime& runtime, ThreadGroup& process, PidNamespace& target,
                             bool children) {
  Tracer& tracer = runtime.tracer();
  if (tracer.is_own_thread()) return Errno{EDEADLK};
  if (target.level() == 0) return Errno{EINVAL};
  if (process.is_init()) return Errno{EBUSY};
  auto move = std::make_shared<ProcessMove>();
  move->process = Ref<ThreadGroup>(process);
  move->target = Ref<PidNamespace>(target);
  move->children = children;
  auto done = move->done.get_future();
  if (!tracer.post([&tracer, move] { tracer.begin_move(move); })) return Errno{ESRCH};
  if (done.wait_for(kPatience) != std::future_status::ready &&
      !tracer.post([&tracer, move] { tracer.end_move(move, Errno{EBUSY}); })) {
    return Errno{ESRCH};
  }
  return done.get();
}

void Tracer::begin_move(const std::shared_ptr<ProcessMove>& move) {
  moves_.push_back(move);
  advance_move(move);
}

void Tracer::end_move(const std::shared_ptr<ProcessMove>& move, Result<Nr> result) {
  if (std::erase(moves_, move) == 0) return;
  for (const Ref<Task>& task : move->frozen) end_freeze(task);
  move->done.set_value(result);
}

void Tracer::advance_moves() {
  const auto moves = moves_;
  for (const std::shared_ptr<ProcessMove>& move : moves) advance_move(move);
}

std::vector<Ref<ThreadGroup>> Tracer::moving_processes(const ProcessMove& move) {
  std::vector<Ref<ThreadGroup>> processes{move.process};
  const Ref<PidNamespace> ns = move.process->ns();
  for (std::size_t i = 0; move.children && i < processes.size(); ++i) {
    for (const Ref<ThreadGroup>& child : processes[i]->children()) {
      if (child->state() == GroupState::kAlive && child->ns() == ns && !child->is_init()) {
        processes.push_back(child);
      }
    }
  }
  return processes;
}

// Each time that something has happened: whether all of them stand still by now.
void Tracer::advance_move(const std::shared_ptr<ProcessMove>& move) {
  if (move->process->state() != GroupState::kAlive) {
    end_move(move, Errno{ESRCH});
    return;
  }
  const std::vector<Ref<ThreadGroup>> processes = moving_processes(*move);
  bool still = true;
  for (const Ref<ThreadGroup>& process : processes) {
    for (const Ref<Task>& task : process->threads()) {
      if (!task->alive()) continue;
      if (move->known.insert(task.get()).second) {
        move->frozen.push_back(task);
        begin_freeze(task);
      }
      if (!rests(*task)) still = false;
    }
  }
  if (still) end_move(move, move_now(processes, *move->target));
}

// Stricter than stands_still(): a fork whose numbers are taken in the old namespace must first be
// made.
bool Tracer::rests(const Task& task) {
  Tracee* const tracee = find(task.level0());
  if (tracee && tracee->task == &task && tracee->held && tracee->call && tracee->call->fork != 0) {
    let_go(*tracee, *std::exchange(tracee->held, std::nullopt));
    return false;
  }
  runtime_.agent_forks().settle_all_that_run();
  if (tracee && tracee->held &&
      (runtime_.agent_forks().forking(task) || in_midst_of_agent(tracee->tid))) {
    // On the way from asking to having the child, or from having waited to telling whom for: to the
    // next call.
    const Resumption how = *std::exchange(tracee->held, std::nullopt);
    if (how.signal != 0) {
      let_go(*tracee, how);
      ptrace_call::raw(PTRACE_INTERRUPT, tracee->tid, nullptr, nullptr);
    } else {
      let_go(*tracee, {Resumption::How::kToExit});
    }
    return false;
  }
  return stands_still(task);
}

Result<Nr> Tracer::move_now(const std::vector<Ref<ThreadGroup>>& processes, PidNamespace& target) {
  struct Numbered {
    Ref<Task> task;
    Nr nr;
  };
  std::vector<Numbered> threads;
  for (const Ref<ThreadGroup>& process : processes) {
    for (Ref<Task>& task : process->threads()) {
      // What a fork that a signal interrupted had reserved is of the old namespace.
      forks_.forget(task->level0());
      const Nr nr = task->vnr();
      threads.push_back({std::move(task), nr});
    }
  }
  const std::vector<KnownChild> known = known_children(processes);
  if (auto moved = move_all(runtime_.kernel(), processes, target); !moved) return moved.error();
  for (const KnownChild& entry : known) {
    if (entry.nr != 0 && entry.child->nr_in(*entry.parent->ns()) != entry.nr) {
      runtime_.moved_children().note(*entry.child, *entry.parent, entry.nr);
    }
  }
  for (const Numbered& thread : threads) {
    if (thread.task->alive()) renumber(*thread.task, thread.nr, thread.task->vnr());
  }
  for (const Ref<ThreadGroup>& process : processes) {
    runtime_.agents().numbers_changed(*process);
    for (const Ref<ThreadGroup>& child : process->children()) {
      runtime_.agents().parent_changed(*child);
    }
  }
  return processes.front()->vnr();
}

// What the memory of a thread that stands still says of its number.
void Tracer::renumber(Task& task, Nr from, Nr to) {
  if (from == to) return;
  const pid_t tid = task.level0();
  CachedTid place;
  if (!thread_is_ending(task)) place.told[0] = reinterpret_cast<std::uint64_t>(task.data());
  if (const Tracee* tracee = find(tid)) {
    place.told[1] = tracee->tid_word;
    arch::Registers regs;
    if (ptrace_call::get_registers(tid, &regs)) {
      place.thread_pointer = regs.thread_pointer();
    } else if (tracee->call) {  // it waits for a child of vfork(2)
      place.thread_pointer = tracee->call->guest.thread_pointer();
    }
  }
  rewrite_cached_tid(tid, place, from, to);
  rewrite_robust_list(tid, from, to);
}

}  // namespace warren
