// When an agent comes, and how.
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>

#include "tracer/agents.h"
#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

// Bringing the agent by stops costs about as much as the first number of calls by way of the
// supervisor, and without them, with the faults of the texts that it maps, as the second; many
// programs end sooner. One of which it is known that it makes many is given it early, though not at
// the first, since shells catch signals. Tests set another number in the environment, 1 to 255, to
// have it early.
constexpr std::uintptr_t kTrapsBeforeStops = 16;
constexpr std::uintptr_t kTrapsBeforeBoot = 20;
constexpr std::uintptr_t kTrapsOfThoseWithMany = 4;

std::uintptr_t traps_wanted() {
  const char* const wanted = std::getenv("WARREN_AGENT_AFTER");
  const int number = wanted ? std::atoi(wanted) : 0;
  return number >= 1 && number <= 255 ? static_cast<std::uintptr_t>(number) : 0;
}

bool may_have_agent(const ThreadGroup& process) {
  return !has_flag(process, ProcessFlag::kAgentRefused) &&
         !has_flag(process, ProcessFlag::kNoAgent) && !is_left_alone(process);
}

// No dynamic loader is larger.
constexpr std::uint64_t kLargestLoader = 256 * 1024;

// A fork or wait that needs stops costs as much as this many calls that are only notified.
constexpr std::uintptr_t kTreeWeight = 4;

// What the traps have cost, this one included; stays at the highest.
std::uintptr_t count_trap(ThreadGroup& process, std::uintptr_t weight) {
  std::uintptr_t count = 0;
  change_flags(process, [&](std::uintptr_t bits) {
    count = (bits >> kTrapsShift) & kCounterMask;
    if (count + weight > kCounterMask) weight = kCounterMask - count;
    count += weight;
    return bits + (weight << kTrapsShift);
  });
  return count;
}

}  // namespace

Result<void> Agents::enable() {
  auto image = inject::Image::create();
  if (!image) return image.error();
  wanted_traps_ = traps_wanted();
  traps_before_stops_ = wanted_traps_ != 0 ? wanted_traps_ : kTrapsBeforeStops;
  image_ = std::move(*image);
  return {};
}

std::uintptr_t Agents::traps_before_boot(const ThreadGroup& process) const {
  if (wanted_traps_ != 0) return wanted_traps_;
  return has_flag(process, ProcessFlag::kMakesMany) ? kTrapsOfThoseWithMany : kTrapsBeforeBoot;
}

void Agents::serve_untraced(bool signal_self) {
  image_->serve_forks(true);
  image_->probe_paths(true);
  image_->signal_self(signal_self);
}

Result<void> Agents::keep_texts() {
  auto texts = TextImages::create(runtime_.untraced(), !image_->asks_paths());
  if (!texts) return texts.error();
  texts_ = std::move(*texts);
  return {};
}

void Agents::expect_unseen_calls(std::span<const LoaderCall> calls) {
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (i == 0 || calls[i].nr != calls[i - 1].nr) ++unseen_calls_;
  }
}

void Agents::after_call(SyscallContext& call, int listener, std::uint64_t notification) {
  if (!image_) return;
  if (call.nr() == SYS_set_tid_address) {
    loaded(call, listener, notification);
    return;
  }
  const Service service = inject::service_of(call.nr());
  // A program that is about to end needs none.
  if (service == inject::kServeNone || service == inject::kServeExec) return;
  if (is_left_alone(call.task().group())) return;
  // Who is traced is traced through its forks.
  if (inject::serves_untraced(service) && !runtime_.untraced()) return;
  const bool tree = inject::serves_tree(service);
  // An agent that asks for every path saves nothing by it.
  const bool number = service == inject::kServePid || service == inject::kServeTid ||
                      service == inject::kServeParentPid;
  if (!number && !tree && image_->asks_paths()) return;
  ThreadGroup& process = call.task().group();
  const std::uint64_t ip = call.guest().ip();
  if (ip == inject::agent_header().asking_ip || inject::is_fork_asking_place(ip)) {
    if (!inject::serves_untraced(service)) inform(call, service);
  } else if (has_flag(process, ProcessFlag::kAgentMapped)) {
    patch(call, service);
  } else if (may_have_agent(process)) {
    const std::uintptr_t traps = count_trap(process, tree ? kTreeWeight : 1);
    // What was done already must not be made again; a number is the same again.
    const SyscallContext::Outcome outcome = call.outcome();
    if (!inject::answers(service) && (outcome == SyscallContext::Outcome::kAnswer ||
                                      outcome == SyscallContext::Outcome::kInject)) {
      return;
    }
    const bool in_place = !has_flag(process, ProcessFlag::kBootsByStops);
    if (in_place ? time_to_boot(call, traps) : traps >= traps_before_stops_) {
      boot(call, listener, notification);
    }
  }
}

// What its traps have come to; of one that was given the agent at once, nobody knows. One that
// caught signals by the time that it should have had the agent is to have it before, the next time.
void Agents::learn(const ThreadGroup& process, bool many) {
  const auto program = static_cast<ProgramHabits::Program>(
      (reinterpret_cast<std::uintptr_t>(process.data()) >> kProgramShift) & kProgramMask);
  if (program == 0 || has_flag(process, ProcessFlag::kMakesMany) ||
      has_flag(process, ProcessFlag::kAgentMapped) ||
      (!many && has_flag(process, ProcessFlag::kBootsByStops))) {
    return;
  }
  habits_.learn(program, many);
}

// Of a program that the dynamic loader has just put together: its libraries are there, it has one
// thread, and no handlers yet.
void Agents::loaded(SyscallContext& call, int listener, std::uint64_t notification) {
  const ThreadGroup& process = call.task().group();
  if (has_flag(process, ProcessFlag::kAgentMapped) || !may_have_agent(process) ||
      has_flag(process, ProcessFlag::kBootsByStops)) {
    return;
  }
  const bool many = wanted_traps_ == 0 && has_flag(process, ProcessFlag::kMakesMany);
  if (!many && counter(process, kTrapsShift) < traps_before_boot(process)) return;
  boot(call, listener, notification);
}

// Not while the dynamic loader is at work: libraries that come later would have to be patched site
// by site. It makes the first calls.
bool Agents::time_to_boot(SyscallContext& call, std::uintptr_t traps) {
  const std::uint64_t ip = call.guest().ip();
  auto& first = first_places_[static_cast<std::size_t>(call.tid()) % first_places_.size()];
  if (traps <= unseen_calls_ + 1) first.store(ip, std::memory_order_relaxed);
  const std::uintptr_t enough = traps_before_boot(call.task().group());
  if (traps >= std::max(enough, traps_before_stops_)) return true;
  // Who is not traced would be attached to for this very call.
  if (inject::serves_tree(inject::service_of(call.nr())) &&
      !runtime_.tracer().stays_traced(call.task().group())) {
    return true;
  }
  const std::uint64_t other = first.load(std::memory_order_relaxed);
  return traps >= enough && (ip > other ? ip - other : other - ip) >= kLargestLoader;
}

void Agents::boot(SyscallContext& call, int listener, std::uint64_t notification) {
  ThreadGroup& process = call.task().group();
  // Others would find the agent's descriptor among theirs.
  if (process.nr_threads() != 1 || memory_is_shared(process)) return;
  learn(process, true);
  call.expect_delay(SyscallContext::Delay::kMoment);
  if (has_flag(process, ProcessFlag::kBootsByStops)) {
    boot_by_stops(call, listener, notification);
  } else if (boots_.begin(call, listener, notification, image_->fd(), texts_.get())) {
    call.answer(0);
  } else {
    set_flag(process, ProcessFlag::kBootsByStops);
  }
}

void Agents::booted(SyscallContext& call) {
  ThreadGroup& process = call.task().group();
  call.expect_delay(SyscallContext::Delay::kMoment);
  const auto booted = boots_.booted(call.task());
  if (!booted) {
    call.answer(-EINVAL);
    return;
  }
  call.answer(static_cast<long>(booted->resume));
  if (call.arg(0) != inject::kState || call.arg(1) != 0) {
    set_flag(process, ProcessFlag::kAgentRefused);
    return;
  }
  const RemoteMemory memory = call.memory();
  // Jumps that lead nowhere.
  if (!TextImages::tell_slots(memory, booted->plan)) kill(call.tid(), SIGKILL);
  if (booted->plan.serves_signals) set_flag(process, ProcessFlag::kSignalsServed);
  arrived(call.task());
}

// Before anything of the guest's runs with it.
void Agents::arrived(Task& task) {
  ThreadGroup& process = task.group();
  const std::lock_guard lock(mutex_);
  set_flag(process, ProcessFlag::kAgentMapped);
  struct {
    std::int32_t pid, tid, ppid_plus_1, host_ppid;
    std::uint32_t ordinary_paths;
  } const state = {process.vnr(), task.vnr(), 0, 0,
                   has_flag(process, ProcessFlag::kProcTainted) ? 0u : 1u};
  static_assert(offsetof(inject::State, ordinary_paths) == 16);
  if (is_left_alone(process)) {
    tell(task.level0(), offsetof(inject::State, leave_alone), 1);
  } else {
    (void)RemoteMemory(task.level0()).write_bytes(inject::kState, &state, sizeof state);
  }
}

void Agents::ended(const ThreadGroup& process) {
  learn(process, false);
  if (has_flag(process, ProcessFlag::kBooting)) boots_.ended(process);
}

bool Agents::could_signal_itself(const SyscallContext& call) const {
  const ThreadGroup& process = call.task().group();
  return runtime_.untraced() && image_ && image_->signals_self() && wanted_traps_ == 0 &&
         !has_flag(process, ProcessFlag::kAgentMapped) && may_have_agent(process) &&
         process.nr_threads() == 1 && !memory_is_shared(process);
}

bool Agents::bring_first(SyscallContext& call, int listener, std::uint64_t notification) {
  call.expect_delay(SyscallContext::Delay::kMoment);
  learn(call.task().group(), true);
  return boot_by_stops(call, listener, notification);
}

bool Agents::boot_by_stops(SyscallContext& call, int listener, std::uint64_t notification) {
  ThreadGroup& process = call.task().group();
  const int fd = BootInPlace::add_descriptor(listener, notification, image_->fd());
  if (fd < 0) {
    set_flag(process, ProcessFlag::kAgentRefused);
    return false;
  }
  const int texts_fd =
      texts_ ? BootInPlace::add_descriptor(listener, notification, texts_->fd()) : -1;
  // The call is made once more: by then the descriptors are gone, and their numbers free again.
  if (!runtime_.tracer().map_agent(call.tid(), call.nr(), call.guest().ip(), fd, texts_fd)) {
    return false;
  }
  call.answer(0);
  return true;
}

}  // namespace warren
