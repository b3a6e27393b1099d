// The agent in guests: which process has it, what its state says, which sites jump to it.
//
// A process that makes several calls that the agent could serve gets it (BootInPlace; where that
// cannot be, by stops: Tracer::map_agent());
// from then on each site that still traps is patched when its call is served. What the supervisor
// needs to know of a process is read from the process's own memory, which a fork copies and an exec
// forgets; only a few flags are kept (process_flags.h).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>

#include "inject/image.h"
#include "inject/served_calls.h"
#include "inject/site.h"
#include "tracer/boot_in_place.h"
#include "tracer/loader_calls.h"
#include "tracer/program_habits.h"
#include "tracer/text_images.h"
#include "warren/kernel.h"

namespace warren {

class Runtime;
class SyscallContext;

class Agents {
 public:
  explicit Agents(Runtime& runtime) : runtime_(runtime) {}

  // Before there are guests. Without it no guest gets an agent, and all below does
  // nothing but taint().
  // Errors: as inject::Image::create().
  Result<void> enable();
  bool enabled() const { return image_ != nullptr; }
  // After enable(): agents make forks and waits themselves, and find out by themselves what memory
  // can be read, since nobody sees their faults; and with `signal_self` signals to themselves.
  void serve_untraced(bool signal_self);
  // After that: texts are patched once for all. Errors: as TextImages::create().
  Result<void> keep_texts();
  TextImages::Plan plan_texts(pid_t pid) { return texts_->plan(pid, GuestMaps(pid).texts()); }

  // A notified call was handled, and its caller still waits for the answer to `notification` of
  // `listener`. Notifier threads.
  void after_call(SyscallContext& call, int listener, std::uint64_t notification);

  // Whether an agent could serve what the caller is about to do, a signal to its own process that
  // would have it traced from now on, if only it had one.
  bool could_signal_itself(const SyscallContext& call) const;
  // It gets one before that. False: it is not to be. As after_call().
  bool bring_first(SyscallContext& call, int listener, std::uint64_t notification);
  // The agent says that it has come without stops. Notifier threads.
  void booted(SyscallContext& call);
  // It has come, to a process of one thread, and nothing of the guest's has run with it yet. Any
  // thread.
  void arrived(Task& task);
  // A process with kBooting makes another call than that, from `ip`. True: it is to be answered
  // with 0. Notifier threads.
  bool boot_failed(Task& task, std::uint64_t ip) { return boots_.failed(task, ip); }
  void ended(const ThreadGroup& process);

  // What a process's agent may have been told holds no more; to be called before any of its threads
  // can run with the change. Any thread.
  void taint(Task& task);           // it has, or gets, a directory inside /proc
  void has_own_filter(Task& task);  // it is about to have a seccomp filter of its own
  void more_threads(Task& task);    // it is about to have a second thread
  void share_memory(Task& task, bool for_vfork);
  void vfork_ended(ThreadGroup& parent, ThreadGroup* child);
  void parent_changed(ThreadGroup& process);
  void numbers_changed(ThreadGroup& process);  // it moved, and stands still
  // It execs what the path names, unless the call fails; empty: nobody knows what.
  void exec(Task& task, std::string_view path);
  // Whoever waits for a child of its own says so from now on.
  void tell_waits();
  // While the process traces others or is traced by one (kTracesGuests, kGuestTraced), its agent
  // asks for everything: who traces is to see calls as they are made, and waits for more than
  // children. Before any of its threads can run with the change; `task`: any of them. Any thread.
  void leave_alone(Task& task);
  void serve_again(Task& task);
  // Calls that each program makes and nobody sees: they count as seen when an agent comes. Before
  // the first program runs.
  void expect_unseen_calls(std::span<const LoaderCall> calls);
  // A symbolic link into /proc was made: texts of paths say nothing any more.
  void ask_paths();

  // Whether the breakpoint at `address` that a thread ran into is, or was, one of ours, so that the
  // thread has only to try again. Tracer thread.
  bool met_patch(pid_t tid, std::uint64_t address) const;

  // The flags that a new process has from its parent's.
  static void* inherited_flags(const ThreadGroup& parent, bool shares_memory);

 private:
  using Service = inject::Service;

  void inform(SyscallContext& call, Service service);
  void learn(const ThreadGroup& process, bool many);
  void loaded(SyscallContext& call, int listener, std::uint64_t notification);
  // How many calls a program may make before it is given an agent.
  std::uintptr_t traps_before_boot(const ThreadGroup& process) const;
  // Whether the agent is worth what it costs to bring it without stops; `traps`: what calls have
  // cost so far.
  bool time_to_boot(SyscallContext& call, std::uintptr_t traps);
  void boot(SyscallContext& call, int listener, std::uint64_t notification);
  bool boot_by_stops(SyscallContext& call, int listener, std::uint64_t notification);
  void patch(SyscallContext& call, Service service);
  // The word of inject::State at `offset`. (mutex_)
  void tell(pid_t tid, std::size_t offset, std::uint32_t value);
  // What State says in answer to calls; and of children as well. (mutex_)
  static void withdraw_answers(Task& task);
  static void withdraw_numbers(Task& task);  // but not what paths mean
  static void withdraw_all(Task& task);
  void write_jump(pid_t tid, std::uint64_t site, const inject::SiteBytes& jump, bool alone);

  Runtime& runtime_;
  std::unique_ptr<inject::Image> image_;
  std::unique_ptr<TextImages> texts_;
  BootInPlace boots_;
  std::uintptr_t traps_before_stops_ = 0;
  std::uintptr_t wanted_traps_ = 0;  // of every program; 0: by its habits
  ProgramHabits habits_;
  std::uintptr_t unseen_calls_ = 0;
  // Where the first call of a program came from that the agent would have served. By process;
  // lossy.
  std::array<std::atomic<std::uint64_t>, 256> first_places_{};
  // Held while what is to be told is looked up and told, and while what is told is withdrawn, so
  // that nothing outdated is told. A leaf.
  std::mutex mutex_;
  // Sites of the last processes whose pattern is another: not looked at again. By address; lossy.
  std::array<std::atomic<std::uint64_t>, 256> other_sites_{};
  std::atomic<std::uint64_t> patching_{0};  // the site that has a breakpoint of ours just now
};

}  // namespace warren
