// The tracer: the one thread that issues ptrace requests for all tasks of a container.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "tracer/fork.h"
#include "tracer/move.h"
#include "tracer/runtime.h"
#include "tracer/tracee.h"
#include "tracer/waiter.h"
#include "warren/kernel.h"

namespace warren {

// Why one thread: ptrace and wait belong to the thread that attached. Everybody else posts work to
// it. All members but post() are for that thread alone.
class Tracer {
 public:
  // On the thread that will run().
  explicit Tracer(Runtime& runtime);
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
  // Attaches to a child of the supervisor that waits to become `task`. Errors: as ptrace(2).
  Result<void> attach(pid_t tid, Ref<Task> task);
  // Makes the task map the agent, which it has the descriptor `fd` of, when it comes back from its
  // call `nr`, the `syscall` instruction before `after_syscall`, and then make that call again.
  // Returns when it cannot escape any more. Any thread but the tracer's, while the task waits for
  // the answer. False: it is about to die.
  bool map_agent(pid_t tid, int nr, std::uint64_t after_syscall, int fd);
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
  // A guest's wait has told of this child: if that took it from the host, it is reaped here too.
  void note_waited(ThreadGroup& child) {
    if (child.state() == GroupState::kZombie) reap_if_gone(child);
  }
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
  void on_syscall_exit(Tracee& tracee);
  void on_signal(Tracee& tracee, int signal, bool settled = false);
  bool replace_hidden_child(Tracee& tracee, siginfo_t* info);
  void on_event_stop(Tracee& tracee, int signal);
  void on_exec(Tracee& leader);
  void on_exit_event(Tracee& tracee);
  void end_stray(pid_t tid);
  void on_unknown(pid_t tid, int status);
  void first_stop(Tracee& tracee, const Forks::Child& child, arch::Registers regs, int signal);
  void prepare_child(Tracee& tracee, const Forks::Child& child, arch::Registers regs);

  // Deaths (deaths.cc).
  void on_death(pid_t tid, int status);
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
  static void let_go(Tracee& tracee, Resumption how);
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
  void finish_call(Tracee& tracee, arch::Registers* regs);
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
  bool boot_agent(Tracee& tracee, const arch::Registers& at, int fd);
  void clear_signal_handlers(Tracee& tracee, const arch::Registers& regs);
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
  ExitObserver exit_observer_;
  StopObserver stop_observer_;
  bool finishing_ = false;

  std::mutex posted_mutex_;
  std::condition_variable posted_changed_;
  std::vector<std::function<void()>> posted_;  // guarded by posted_mutex_
  bool closed_ = false;                        // guarded by posted_mutex_
};

}  // namespace warren
