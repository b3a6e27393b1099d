// What agents are told, and the sites that jump to them. When they come: agent_arrival.cc.
#include "tracer/agents.h"

#include <csignal>
#include <cstddef>

#include "tracer/agent_state.h"
#include "tracer/guest_text.h"
#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/syscall_context.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

constexpr unsigned char kBreakpoint = 0xcc;  // int3

}  // namespace

void Agents::tell(pid_t tid, std::size_t offset, std::uint32_t value) {
  // A program that has unmapped its agent harms itself.
  (void)RemoteMemory(tid).write(RemotePtr<std::uint32_t>(inject::kState + offset), value);
}

void Agents::inform(SyscallContext& call, Service service) {
  Task& task = call.task();
  ThreadGroup& process = task.group();
  pid_t host_parent = 0;
  if (service == inject::kServeParentPid && runtime_.untraced()) {
    // In this order: a parent that dies meanwhile leaves an old number of the host's, and the agent
    // asks again.
    host_parent = Tracer::parent_or_process_of(process.level0());
    runtime_.tracer().take_in_news();
  }
  const std::lock_guard lock(mutex_);
  if (!has_flag(process, ProcessFlag::kAgentMapped)) set_flag(process, ProcessFlag::kAgentMapped);
  if (memory_is_shared(process) || is_left_alone(process)) return;
  // A child of one that was told before.
  if (has_flag(process, ProcessFlag::kNoAgent)) {
    tell(call.tid(), offsetof(inject::State, ask_signals), 1);
  }
  switch (service) {
    case inject::kServePid:
      tell(call.tid(), offsetof(inject::State, pid), static_cast<std::uint32_t>(process.vnr()));
      break;
    case inject::kServeTid:
      if (process.nr_threads() == 1) {
        tell(call.tid(), offsetof(inject::State, tid), static_cast<std::uint32_t>(task.vnr()));
      }
      break;
    case inject::kServeParentPid:
      (void)RemoteMemory(call.tid())
          .write(RemotePtr<std::array<std::int32_t, 2>>(inject::kState +
                                                        offsetof(inject::State, ppid_plus_1)),
                 {process.parent_nr_in(*task.ns()) + 1, host_parent});
      break;
    default:
      if (!has_flag(process, ProcessFlag::kProcTainted)) {
        tell(call.tid(), offsetof(inject::State, ordinary_paths), 1);
      }
      break;
  }
}

void Agents::patch(SyscallContext& call, Service service) {
  ThreadGroup& process = call.task().group();
  const RemoteMemory memory = call.memory();
  const std::uint64_t site = call.guest().ip() - inject::kSiteLength;
  if (memory_is_shared(process)) return;
  // Who runs through the site meanwhile would meet the breakpoint, and nobody would send it back.
  if (process.nr_threads() != 1 && !runtime_.tracer().stays_traced(process)) return;
  // Two reads of a guest's memory, for each call from a site that is none: not twice.
  auto& other_site = other_sites_[site / 2 % other_sites_.size()];
  const std::uint64_t here = site ^ static_cast<std::uint64_t>(process.level0()) << 47;
  if (other_site.load(std::memory_order_relaxed) == here) return;
  inject::SiteBytes bytes;
  if (!memory.read_bytes(site, bytes.data(), bytes.size())) return;
  if (!inject::is_site(bytes, call.nr())) {
    std::array<unsigned char, inject::kAtCwdLength> longer;
    const std::uint64_t begin = call.guest().ip() - longer.size();
    if (!memory.read_bytes(begin, longer.data(), longer.size()) ||
        !inject::is_at_cwd_site(longer)) {
      other_site.store(here, std::memory_order_relaxed);
      return;
    }
    service = inject::kServePathAtCwd;
  }
  const std::lock_guard lock(mutex_);
  const RemotePtr<std::uint64_t> used(inject::kSlots);
  const auto index = memory.read(used);
  if (!index) {
    // Another program by now.
    set_flag(process, ProcessFlag::kAgentMapped, false);
    return;
  }
  if (*index >= static_cast<std::uint64_t>(inject::kNrSlots)) return;
  const inject::Header& header = inject::agent_header();
  const inject::Slot slot{.entry = header.first_stub + *index * header.stub_size,
                          .return_address = call.guest().ip(),
                          .service = header.services[service],
                          .nr = static_cast<std::uint32_t>(call.nr()),
                          .unused = 0};
  const std::uint64_t at =
      inject::kSlots + offsetof(inject::Slots, slot) + *index * sizeof(inject::Slot);
  if (!memory.write(RemotePtr<inject::Slot>(at), slot) || !memory.write(used, *index + 1)) return;
  write_jump(call.tid(), site, inject::jump_through(at), process.nr_threads() == 1);
}

// Only the first five bytes change; the rest of a site is the end of the jump already. Threads that
// may run through the site meanwhile meet a breakpoint until the jump is whole.
void Agents::write_jump(pid_t tid, std::uint64_t site, const inject::SiteBytes& jump, bool alone) {
  constexpr std::size_t kChanged = 5;
  const GuestText text(tid);
  if (alone) {
    text.write(site, jump.data(), kChanged);
    return;
  }
  patching_.store(site, std::memory_order_release);
  if (text.write(site, &kBreakpoint, 1)) {
    text.write(site + 1, &jump[1], kChanged - 1);
    text.write(site, &jump[0], 1);
  }
  patching_.store(0, std::memory_order_release);
}

bool Agents::met_patch(pid_t tid, std::uint64_t address) const {
  if (!image_) return false;
  if (patching_.load(std::memory_order_acquire) == address) return true;
  inject::SiteBytes bytes;
  if (!RemoteMemory(tid).read_bytes(address, bytes.data(), bytes.size())) return false;
  if (inject::is_jump(bytes)) return true;  // whole by now
  if (bytes[0] != kBreakpoint) return false;
  // A copy that was made by a fork in the midst of it.
  for (const unsigned char begin : {inject::kJumpBegin, inject::kSiteBegin, inject::kAtCwdBegin}) {
    bytes[0] = begin;
    if (inject::is_jump(bytes) || inject::is_served_site(bytes)) {
      return GuestText(tid).write(address, &begin, 1);
    }
  }
  return false;
}

void Agents::withdraw_numbers(Task& task) {
  using Numbers = std::array<char, offsetof(inject::State, ordinary_paths)>;
  (void)RemoteMemory(task.level0()).write(RemotePtr<Numbers>(inject::kState), Numbers{});
}

void Agents::withdraw_answers(Task& task) {
  using Answers = std::array<char, offsetof(inject::State, leave_alone)>;
  (void)RemoteMemory(task.level0()).write(RemotePtr<Answers>(inject::kState), Answers{});
}

// But not what a parent needs that waits for its child of vfork.
void Agents::withdraw_all(Task& task) {
  withdraw_answers(task);
  constexpr std::uint64_t kAt = inject::kState + offsetof(inject::State, children);
  using Children = agent_state::Children;
  (void)RemoteMemory(task.level0()).write(RemotePtr<Children>(kAt), Children{});
}

void Agents::leave_alone(Task& task) {
  if (!has_flag(task.group(), ProcessFlag::kAgentMapped)) return;
  const std::lock_guard lock(mutex_);
  withdraw_answers(task);
  // Handlers are installed without it from now on.
  constexpr auto kAt = inject::kState + offsetof(inject::State, plain_handlers);
  (void)RemoteMemory(task.level0()).write(RemotePtr<std::uint64_t>(kAt), std::uint64_t{0});
  tell(task.level0(), offsetof(inject::State, leave_alone), 1);
}

void Agents::serve_again(Task& task) {
  if (!has_flag(task.group(), ProcessFlag::kAgentMapped)) return;
  const std::lock_guard lock(mutex_);
  if (!is_left_alone(task.group())) {
    tell(task.level0(), offsetof(inject::State, leave_alone), 0);
  }
}

void Agents::taint(Task& task) {
  ThreadGroup& process = task.group();
  const std::lock_guard lock(mutex_);
  set_flag(process, ProcessFlag::kProcTainted);
  if (!has_flag(process, ProcessFlag::kAgentMapped)) return;
  tell(task.level0(), offsetof(inject::State, ordinary_paths), 0);
}

void Agents::has_own_filter(Task& task) {
  ThreadGroup& process = task.group();
  const std::lock_guard lock(mutex_);
  set_flag(process, ProcessFlag::kNoAgent);
  if (!has_flag(process, ProcessFlag::kAgentMapped)) return;
  tell(task.level0(), offsetof(inject::State, ask_signals), 1);
}

void Agents::more_threads(Task& task) {
  if (!has_flag(task.group(), ProcessFlag::kAgentMapped)) return;
  const std::lock_guard lock(mutex_);
  tell(task.level0(), offsetof(inject::State, tid), 0);
}

void Agents::share_memory(Task& task, bool for_vfork) {
  if (!image_) return;
  ThreadGroup& process = task.group();
  const std::lock_guard lock(mutex_);
  if (for_vfork && counter(process, kVforksShift) < kCounterMask) {
    change_flags(process,
                 [](std::uintptr_t bits) { return bits + (std::uintptr_t{1} << kVforksShift); });
  } else {
    set_flag(process, ProcessFlag::kMemoryShared);
  }
  if (!has_flag(process, ProcessFlag::kAgentMapped)) return;
  // What paths mean is the same for a child of vfork; if it gets a directory inside /proc, taint()
  // says so to both, and while they share their memory nobody says otherwise.
  if (for_vfork) {
    withdraw_numbers(task);
  } else {
    withdraw_answers(task);
  }
}

void Agents::vfork_ended(ThreadGroup& parent, ThreadGroup* child) {
  if (!image_) return;
  const std::lock_guard lock(mutex_);
  if (counter(parent, kVforksShift) != 0) {
    change_flags(parent,
                 [](std::uintptr_t bits) { return bits - (std::uintptr_t{1} << kVforksShift); });
  }
  // It has memory of its own now, if it lives.
  if (child) set_flag(*child, ProcessFlag::kMemoryShared, false);
}

void Agents::parent_changed(ThreadGroup& process) {
  if (!has_flag(process, ProcessFlag::kAgentMapped)) return;
  const std::lock_guard lock(mutex_);
  for (const Ref<Task>& thread : process.threads()) {
    if (thread->alive()) tell(thread->level0(), offsetof(inject::State, ppid_plus_1), 0);
  }
}

void Agents::numbers_changed(ThreadGroup& process) {
  if (!has_flag(process, ProcessFlag::kAgentMapped)) return;
  const std::lock_guard lock(mutex_);
  for (const Ref<Task>& thread : process.threads()) {
    if (thread->alive()) withdraw_all(*thread);
  }
}

void Agents::exec(Task& task, std::string_view path) {
  if (!image_) return;
  const ProgramHabits::Program program = path.empty() ? 0 : ProgramHabits::of_path(path);
  const bool many = program != 0 && habits_.makes_many(program);
  ThreadGroup& process = task.group();
  const std::lock_guard lock(mutex_);
  // A child of vfork has its parent's memory until then.
  if (has_flag(process, ProcessFlag::kAgentMapped) && !memory_is_shared(process)) {
    withdraw_all(task);
  }
  constexpr std::uintptr_t kOfProgram = static_cast<std::uintptr_t>(ProcessFlag::kAgentMapped) |
                                        static_cast<std::uintptr_t>(ProcessFlag::kSignalsServed) |
                                        static_cast<std::uintptr_t>(ProcessFlag::kAgentRefused) |
                                        static_cast<std::uintptr_t>(ProcessFlag::kBootsByStops) |
                                        static_cast<std::uintptr_t>(ProcessFlag::kMakesMany) |
                                        kCounterMask << kTrapsShift | kProgramMask << kProgramShift;
  change_flags(process, [&](std::uintptr_t bits) {
    return (bits & ~kOfProgram) |
           (many ? static_cast<std::uintptr_t>(ProcessFlag::kMakesMany) : 0) |
           unseen_calls_ << kTrapsShift | std::uintptr_t{program} << kProgramShift;
  });
}

void Agents::tell_waits() {
  if (image_) image_->tell_waits();
}

void Agents::ask_paths() {
  if (image_) image_->ask_paths();
}

void* Agents::inherited_flags(const ThreadGroup& parent, bool shares_memory) {
  auto bits = reinterpret_cast<std::uintptr_t>(parent.data());
  bits &= ~(kCounterMask << kVforksShift | static_cast<std::uintptr_t>(ProcessFlag::kLeaderEnded) |
            static_cast<std::uintptr_t>(ProcessFlag::kHadThreads) |
            static_cast<std::uintptr_t>(ProcessFlag::kOrphaned) |
            static_cast<std::uintptr_t>(ProcessFlag::kBooting) |
            static_cast<std::uintptr_t>(ProcessFlag::kLeftInit) |
            static_cast<std::uintptr_t>(ProcessFlag::kGuestTraced) |
            static_cast<std::uintptr_t>(ProcessFlag::kTracesGuests));
  const auto shared = static_cast<std::uintptr_t>(ProcessFlag::kMemoryShared);
  return reinterpret_cast<void*>(shares_memory ? bits | shared : bits & ~shared);
}

}  // namespace warren
