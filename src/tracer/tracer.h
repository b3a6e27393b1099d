// The tracer: the one thread that issues ptrace requests for all tasks of a container.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "tracer/death_watch.h"
#include "tracer/fork.h"
#include "tracer/guest_trace.h"
#include "tracer/move.h"
#include "tracer/runtime.h"
#include "tracer/tracee.h"
#include "tracer/waited_times.h"
#include "tracer/waiter.h"
#include "warren/kernel.h"

namespace warren {

// Why one thread: ptrace and wait belong to the thread that attached. Everybody else posts work to
// it. All members but post() are for that thread alone.
class Tracer {
 public:
  // On the thread that will run().
  explicit Tracer(Runtime& runtime);
  // Before there are guests: they run untraced but for the moments that need a stop. Errors: as
  // DeathWatch::start().
  Result<void> leave_guests_untraced();
  ~Tracer();

  // Runs `work` on the tracer thread soon. False if it serves no more: then never. Any thread.
  bool post(std::function<void()> work);
  // Waits until the tracer has taken in all that the host had to report before the call. Any thread
  // but its own.
  void settle();

  // Serves guests until none is left and finish() was called.
  void run();
  // No further guest will be adopted from outside.
  void finish() { finishing_ = true; }
  // Whoever waits for the end has gone: no task left is the end, whatever is still expected.
  void nobody_waits() { nobody_waits_ = true; }
  // Attaches to a child of the supervisor that waits to become `task`. Errors: as ptrace(2).
  Result<void> attach(pid_t tid, Ref<Task> task);
  // Makes the task map the agent, which it has the descriptor `fd` of, when it comes back from its
  // call `nr`, the `syscall` instruction before `after_syscall`, and then make that call again.
  // Returns when it cannot escape any more. Any thread but the tracer's, while the task waits for
  // the answer. False: it is about to die.
  // `texts_fd`: that of TextImages there.
  bool map_agent(pid_t tid, int nr, std::uint64_t after_syscall, int fd, int texts_fd);
  // The wait of `parent` has told of this child: if that took it from the host, it is reaped here
  // too. `time`: what it used with all that it waited for itself, if known. Any thread.
  void waited_for(ThreadGroup& child, const ThreadGroup& parent, const CpuTime* time = nullptr);
  // What processes' children used.
  const WaitedTimes& waited_times() const { return waited_times_; }

  // --- Guests that are not traced (untraced.cc); all of any thread but the tracer's own, and
  // --- nothing where guests are always traced.

  // A notified call needs a stop: attaches if need be, answers the notification, and lets the call
  // be made again. `after_syscall`: the end of its `syscall` instruction.
  void redo(pid_t tid, int nr, std::uint64_t after_syscall, int listener,
            std::uint64_t notification);
  // The process is traced from now on, until it execs. Returns when all its threads are.
  void trace(ThreadGroup& process);
  // Whether the process is an init that can do without being traced once its agent has ignored what
  // no init gets (inject::State::ignored); it is left at its next stop. Any thread.
  bool leave_init(ThreadGroup& process);
  // Traced again, until it is left the next time, before what the agent has ignored is restored.
  // Not on the tracer's thread.
  void trace_init(ThreadGroup& process);
  // Whether its threads are traced whatever they do.
  bool stays_traced(const ThreadGroup& process) const;
  // The calling thread is about to exec, and if it can, it takes over its leader's number and ends
  // all other threads. Untraced, nobody tells of that: the process's next call does.
  void exec_begins(Task& task);
  // Before anything is made of a call of a process that is kExecPending.
  void exec_ended(Task& caller);
  // A new task, which does not run yet, is left to itself unless something asks for its being
  // traced. False: it must not run.
  bool leave_untraced(const Ref<Task>& task);
  // The parent of a process; the process of a thread that is not its first. 0: it is gone.
  static pid_t parent_or_process_of(pid_t tid);
  // Nobody knows the process yet; its death ends the fork of that key. False: it is gone.
  bool watch_stranger(pid_t host, std::uint64_t key);
  // A process that nobody has seen the end of, and whose parent has waited for it. Any thread.
  void ended_unseen(ThreadGroup& process);
  // An untraced thread, not the first of its process, is about to end.
  void thread_ended(Task& task);
  bool freezing() const { return freezing_; }
  // The task may count as standing still, though it has come to no stop. Any thread.
  void look_if_still(const Ref<Task>& task) {
    post([this, task] { report_if_still(task); });
  }
  // Deaths of what is not traced that have happened until now. Any thread.
  void take_in_deaths() { death_watch_.drain(); }
  // Forks and deaths of what is not traced that have happened until now, and that nobody told of.
  // Any thread. Costs a system call, and one for each process that has forked lately. False: there
  // are children that were born just now, and have not come to their first instruction. Nobody can
  // know of those, so it is enough before a look at processes. `still`: a task whose own fork, if
  // it has begun one, goes on no sooner than this returns.
  bool take_in_news(const Task* still = nullptr);
  // And those, which take a moment: before whatever is done to all that there are.
  void take_in_newborn();
  // The host tells a process of the end of a child that nobody knows. It is known after this, or
  // has been; unless it never was a guest. Any thread.
  void find_lost_child(const Task& parent, pid_t host);
  // Something of that kind is about to happen: it is taken in before long, whoever asks. Any
  // thread.
  void expect_news();
  // Work that has to be done on the tracer's thread, and has been when this returns. False: never.
  bool do_now(const std::function<void()>& work);

  // --- ptrace(2) by guests (guest_trace.h); all on the tracer's thread, numbers as the caller
  // means
  // --- them. Each returns what the call does: 0 or -errno.
  long guest_traceme(Task& caller);
  // PTRACE_ATTACH and PTRACE_SEIZE, which has options and an address: what is wrong with it, but
  // for the caller's right to it. kNotYet: to be tried again.
  static constexpr long kNotYet = 1;
  long check_guest_attach(const Task& caller, const Ref<Task>& target, bool seizes,
                          std::uint64_t address, std::uint64_t options);
  long guest_attach(Task& caller, const Ref<Task>& target, bool seizes, std::uint64_t options);
  // Every other request.
  long guest_request(Task& caller, long request, Nr nr, std::uint64_t address, std::uint64_t data);
  const GuestTraces& guest_traces() const { return guest_traces_; }
  // As GuestTraces has them.
  std::optional<GuestNews> take_guest_news(Task& waiter, const GuestWait& wait);
  void told_of_end(ThreadGroup& tracer, pid_t process);
  struct GuestTracer {
    Ref<ThreadGroup> tracer;  // null: no guest traces it
    bool stopped = false;     // it is in a stop that the guest is shown
  };
  GuestTracer guest_trace_of(const Task& task);
  // The next wait of the thread has no children to wait for, only tracees; whether that was said.
  void waits_for_tracees_alone(const Task& waiter, const GuestWait& wait);
  bool take_waits_for_tracees_alone(const Task& waiter, const GuestWait& wait);

  // Brings the ptrace options of a process's threads up to date with its flags, at their next stop.
  void refresh_options(ThreadGroup& process);
  // The host has forgotten the zombie: it is reaped in the engine, and in its groups. Nothing if it
  // is none.
  void reap(ThreadGroup& group);
  // A task that will not be a guest any more, or never became one: all that was told of it is taken
  // back. Its process must have no other thread.
  void abandon(Task& task);
  // The task shall stand still, whatever it does, without its noticing; and go on, when as many
  // thaws as freezes were asked for. freeze() holds a child that has not run yet before it runs.
  // Any thread; neither calls the observer before it returns.
  void freeze(Ref<Task> task);
  void thaw(Ref<Task> task);
  // A task that came from outside, and stopped nowhere yet: if it is to stand still, it does so.
  void interrupt_if_frozen(Task& task);
  // Nobody is left: forks whose children never came, and zombies that the host keeps for the
  // supervisor, are given up.
  void forget_all();
  // Called on the tracer thread when a task that is to stand still does so, at least once for each
  // freeze that is still asked for then.
  using FreezeObserver = std::function<void(Task&)>;
  void set_freeze_observer(FreezeObserver observer) { freeze_observer_ = std::move(observer); }
  // The first thread of a process with others has called exit(2): it will not be seen any more
  // until they have ended. Any thread.
  void leader_ends(Task& leader);
  // Moving to another pid namespace (move.h). The end of a move that has ended has no effect.
  void begin_move(const std::shared_ptr<ProcessMove>& move);
  void end_move(const std::shared_ptr<ProcessMove>& move, Result<Nr> result);
  bool is_own_thread() const { return std::this_thread::get_id() == thread_; }
  // Called when a process that is a child of the supervisor itself has ended.
  using ExitObserver = std::function<void(pid_t tid, int wait_status)>;
  void set_exit_observer(ExitObserver observer) { exit_observer_ = std::move(observer); }
  // Called when the process that `tid` leads was stopped by a job-control signal.
  using StopObserver = std::function<void(pid_t tid, int signal)>;
  void set_stop_observer(StopObserver observer) { stop_observer_ = std::move(observer); }

 private:
  void dispatch(pid_t tid, int status);
  void run_posted();
  void serve();
  void close();
  void drain();
  // Forks of dead parents: waits no longer for children that do not exist.
  void look_for_orphans();

  // Stops, by kind (stops.cc).
  void on_seccomp_stop(Tracee& tracee);
  void on_syscall_stop(Tracee& tracee);
  void on_signal(Tracee& tracee, int signal, bool settled = false);
  bool replace_hidden_child(Tracee& tracee, siginfo_t* info);
  void on_event_stop(Tracee& tracee, int signal);
  void on_exec(pid_t tgid);
  void on_exit_event(Tracee& tracee);
  void end_stray(pid_t tid);
  void on_unknown(pid_t tid, int status);
  void on_stop_of_own_child(pid_t tid, int signal);
  void first_stop(Tracee& tracee, const Forks::Child& child, arch::Registers regs, int signal);
  void prepare_child(Tracee& tracee, const Forks::Child& child, arch::Registers regs);

  // Guests that trace guests (guest_trace.cc). Where a stop is shown, it goes on from there when
  // the guest that traces says so. Null: it is dying.
  Tracee* begin_guest_trace(const Ref<Task>& task, GuestTrace guest);
  void inherit_guest_trace(Tracee& child, const Forks::Child& fork);
  void ask_for_waits(ThreadGroup& process);
  void leave_agents_wait(Tracee& tracee);
  void show(Tracee& tracee, GuestStop stop);
  void show_signal(Tracee& tracee, int signal);
  // False, each: it is not to be shown, and the supervisor lets the task go.
  bool show_exec(Tracee& tracee, Nr former);
  bool show_exit(Tracee& tracee);
  bool show_event_stop(Tracee& tracee, int signal, bool was_stopped);
  void tell_guest(ThreadGroup& tracer, const Task& tracee, int code, int status);
  // False: it is no such stop.
  bool guest_enters_syscall(Tracee& tracee);
  void guest_left_syscall(Tracee& tracee, bool repeated);
  void guest_call_redone(Tracee& tracee);
  // A stop that a filter of the guest's own asks for.
  void on_guests_filter(Tracee& tracee, arch::Registers& regs);
  static int syscall_code(const GuestTrace& guest);
  static int fork_event(const ForkRequest& request);
  void on_fork_event(Tracee& tracee, int event);
  // Or has died before.
  void child_has_come(pid_t host);
  void end_guest_stop(Tracee& tracee, int signal);
  void go_on_from(Tracee& tracee, const GuestStop& stop, int signal);
  void detach_guest(Tracee& tracee, int signal);
  void drop_guest(Tracee& tracee);
  void end_tracing_if_done(ThreadGroup& tracer);
  void guest_trace_ended(ThreadGroup& process);
  void guest_ended(Tracee& tracee, int status);
  // `all`: no thread is left that could wait for tracees.
  void guest_tracer_ended(const Task& tracer, bool all);

  // Guests that are not traced (untraced.cc).
  // Attaches to the task, or finds it attached to. Null: it is dying.
  Tracee* seize(const Ref<Task>& task);
  bool wants_trace(const Tracee& tracee) const;
  // Detaches from a stopped task. False: it stays a tracee.
  bool leave(Tracee& tracee, int signal);
  void reissue(Tracee& tracee);
  // At the stop of a call that was made again: gives the mask and the guest's argument back, the
  // latter in `regs` only. False: it is an ordinary one.
  static bool take_redone(Tracee& tracee, arch::Registers* regs);
  // The mark that makes a stop of the call that the registers describe.
  static void set_trace_mark(arch::Registers* call);
  void process_ended(const Ref<ThreadGroup>& process, bool gone);
  void end_threads(ThreadGroup& process, int status);
  // The task has ended; `time`: what it used itself.
  void count_time(const Task& task, CpuTime time);
  // False: there are tasks yet that nobody knows, and that may be such children.
  bool look_for_lost_children(const Task* still = nullptr);
  std::vector<pid_t> heirs_children() const;
  bool is_known_child(pid_t host) const;
  bool adopt_lost_child(pid_t host);
  void look_for_lost_children_now_and_then();

  // Deaths (deaths.cc).
  void on_death(pid_t tid, int status);
  // What the engine and the groups learn of it. Any thread, for what was not traced.
  void end_task(const Ref<Task>& task, int status);
  // The task will not return to what it was doing.
  void end_calls(Tracee& tracee);
  void reap_if_gone(ThreadGroup& group);
  void reap_children_gone(ThreadGroup& group);
  // Of a task that has died, while the host's kernel still knows them.
  void note_times(pid_t tid);
  void leave_groups(Task& task);
  void release_groups(Task& task);
  void exec_by_thread(Task& task);
  void zap(const Ref<PidNamespace>& ns);
  // Keeps an init at its end if others are left in its namespace.
  bool hold_init(Tracee& tracee);
  void release_held_inits();

  // Freezing (freezing.cc).
  // Lets a stopped task go, or holds it. Everything that is not within a remote call, nor the way
  // out of a stop at its end, goes through here.
  void go_on(Tracee& tracee, Resumption how = {}) {
    // What a guest pays that was never frozen: one look at an empty table.
    if (!freezes_.empty() && hold(tracee, how)) return;
    let_go(tracee, how);
  }
  void let_go(Tracee& tracee, Resumption how);
  bool hold(Tracee& tracee, Resumption how);
  void begin_freeze(const Ref<Task>& task);
  void end_freeze(const Ref<Task>& task);
  // Says that the task stands still, if it does.
  void report_if_still(const Ref<Task>& task);
  bool stands_still(const Task& task);
  // Takes in the stops of tasks that were interrupted just now, without waiting for any.
  void collect_interrupted();
  void forget_freeze(const Task& task);

  // Moving (move.cc).
  void advance_moves();
  void advance_move(const std::shared_ptr<ProcessMove>& move);
  static std::vector<Ref<ThreadGroup>> moving_processes(const ProcessMove& move);
  bool rests(const Task& task);
  Result<Nr> move_now(const std::vector<Ref<ThreadGroup>>& processes, PidNamespace& target);
  void renumber(Task& task, Nr from, Nr to);

  // A call whose end was awaited has ended, or was interrupted. Registers are the tracee's own.
  // True: it is made again.
  bool finish_call(Tracee& tracee, arch::Registers* regs);
  void finish_lazy_call(Tracee& tracee);
  void tell_clear_tid(Tracee& tracee, const arch::Registers& regs);
  // Runs one system call in a stopped tracee as if it had made it; its signals wait. Returns the
  // result, or -ESRCH if it died.
  // Its registers, `at`, must follow a `syscall` instruction.
  long remote_syscall(Tracee& tracee, const arch::Registers& at, long nr,
                      const std::array<std::uint64_t, 6>& args);
  // Waits for the tracee's next stop, in the midst of a remote call. Its status; 0 if it died.
  int next_remote_stop(Tracee& tracee);
  void finish_mapping(Tracee& tracee);
  bool boot_agent(Tracee& tracee, const arch::Registers& at, const Tracee::AgentMapping& mapping);
  // `signals`: bit N - 1 is signal N's.
  void set_default_actions(Tracee& tracee, const arch::Registers& regs, std::uint64_t signals);
  unsigned wanted_options(const Task& task) const;
  // The tracee must be stopped; else nothing happens.
  void update_options(Tracee& tracee);
  // Whether the host says that we trace the task.
  static bool traces(pid_t tid);
  Tracee* find(pid_t tid);
  Tracee& add(pid_t tid, Ref<Task> task);

  const std::thread::id thread_ = std::this_thread::get_id();
  Runtime& runtime_;
  Waiter waiter_;
  Forks forks_;
  std::unordered_map<pid_t, std::unique_ptr<Tracee>> tracees_;
  // Children that died before their fork told their number.
  std::unordered_map<pid_t, int> early_deaths_;
  // Namespaces whose init has reached its end while others are still there.
  struct Zapping {
    Ref<PidNamespace> ns;
    pid_t init;
    // Of one that has ended without waiting for them, and whose end is yet to be told.
    std::optional<int> status = {};
  };
  std::vector<Zapping> zapping_;
  // Tasks that are to stand still: how many have asked for it.
  struct Freeze {
    Ref<Task> task;
    int count = 0;
    bool reported = false;
  };
  std::unordered_map<const Task*, Freeze> freezes_;
  std::atomic<bool> freezing_{false};  // whether there are any; for leader_ends()
  std::vector<pid_t> interrupted_;     // tasks whose stop for a freeze is about to come
  FreezeObserver freeze_observer_;
  std::vector<std::shared_ptr<ProcessMove>> moves_;
  GuestTraces guest_traces_;
  // Tracees that were left, whose last user is perhaps still at work.
  std::vector<std::unique_ptr<Tracee>> left_;
  DeathWatch death_watch_;
  // Deaths are taken in one at a time: a process that is not traced may be seen to die by several.
  // Before the locks of the groups and the engine; recursive, since one death may reap others.
  std::recursive_mutex deaths_mutex_;
  std::chrono::steady_clock::time_point next_look_;  // for lost children
  std::chrono::milliseconds look_interval_{1};
  // Until when take_in_newborn() waits for nobody.
  std::atomic<std::chrono::steady_clock::time_point> impatient_until_{};
  // Until when find_lost_child() waits no longer than it takes to look.
  std::atomic<std::chrono::steady_clock::time_point> not_lost_until_{};
  std::mutex lost_mutex_;                   // before deaths_mutex_
  WaitedTimes waited_times_;                // of processes until they are reaped
  std::atomic<bool> awaits_deaths_{false};  // the loop has to look again after each
  ExitObserver exit_observer_;
  StopObserver stop_observer_;
  bool finishing_ = false;
  bool nobody_waits_ = false;

  std::mutex posted_mutex_;
  std::condition_variable posted_changed_;
  std::vector<std::function<void()>> posted_;  // guarded by posted_mutex_
  bool closed_ = false;                        // guarded by posted_mutex_
};

}  // namespace warren
