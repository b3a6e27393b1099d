// One trapped system call, as its handler sees it. The handler says what shall happen; how the call
// got here (a ptrace stop, a user notification) is a back end's business, so that a call can change
// its way in without its handler changing.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "arch/x86_64/registers.h"
#include "base/unique_fd.h"
#include "tracer/fork_request.h"
#include "tracer/remote_memory.h"
#include "warren/kernel.h"

namespace warren {

class Runtime;
class SyscallContext;

// Runs at the end of a call that was let run: sees its result and may change it. The guest's own
// argument registers are back in place already.
class FinishedCall {
 public:
  FinishedCall(Runtime& runtime, Task& task, pid_t tid, const arch::Registers& call, long result)
      : runtime_(runtime), task_(task), tid_(tid), call_(call), result_(result) {}

  Runtime& runtime() { return runtime_; }
  Task& task() { return task_; }
  RemoteMemory memory() const { return RemoteMemory(tid_); }
  // The guest's own argument, as it was at the entry.
  std::uint64_t arg(int i) const { return call_.arg(i); }
  long result() const { return result_; }
  bool failed() const { return result_ < 0 && result_ >= -4095; }
  // Interrupted by a signal: the kernel either restarts the call (it is then trapped again) or
  // turns the result into EINTR. Nothing has happened.
  bool interrupted() const { return result_ <= -512 && result_ >= -516; }
  void set_result(long value) { result_ = value; }
  // The call is made once more, as the guest made it (what it returned was not for the guest).
  void repeat() { repeat_ = true; }
  bool repeated() const { return repeat_; }

 private:
  Runtime& runtime_;
  Task& task_;
  pid_t tid_;
  const arch::Registers& call_;
  long result_;
  bool repeat_ = false;
};

using FinishHandler = std::function<void(FinishedCall&)>;

class SyscallContext {
 public:
  enum class Outcome { kRun, kAnswer, kInject, kRunThenFinish, kFork };

  SyscallContext(Runtime& runtime, Task& task, pid_t tid, const arch::Registers& call)
      : runtime_(runtime), task_(task), tid_(tid), guest_(call), call_(call) {}

  Runtime& runtime() const { return runtime_; }
  // The calling task; alive while the handler runs.
  Task& task() const { return task_; }
  // Its host number.
  pid_t tid() const { return tid_; }
  RemoteMemory memory() const { return RemoteMemory(tid_); }
  int nr() const { return static_cast<int>(guest_.syscall()); }
  std::uint64_t arg(int i) const { return guest_.arg(i); }
  int int_arg(int i) const { return static_cast<int>(guest_.arg(i)); }
  const arch::Registers& guest() const { return guest_; }

  // What shall happen; the last word counts. Any way in:
  void run() { outcome_ = Outcome::kRun; }  // let it run as it is
  void answer(long value) {                 // a result, or -errno, without running it
    outcome_ = Outcome::kAnswer;
    answer_ = value;
  }
  // Notification only: a descriptor becomes the caller's lowest free one and is the result.
  // `flags`: O_CLOEXEC or 0.
  void inject(UniqueFd fd, int flags) {
    outcome_ = Outcome::kInject;
    fd_ = std::move(fd);
    fd_flags_ = flags;
  }
  // Ptrace stop only: run it with other registers (restored for the guest afterwards), and see the
  // result.
  void set_arg(int i, std::uint64_t value) {
    call_.set_arg(i, value);
    if (outcome_ == Outcome::kRun) outcome_ = Outcome::kRunThenFinish;
  }
  void set_call(int nr) {
    call_.set_syscall(nr);
    if (outcome_ == Outcome::kRun) outcome_ = Outcome::kRunThenFinish;
  }
  void run_then(FinishHandler finish) {
    outcome_ = Outcome::kRunThenFinish;
    finish_ = std::move(finish);
  }
  // Makes a child: the call becomes the clone that `request` describes.
  void fork(ForkRequest request) {
    outcome_ = Outcome::kFork;
    fork_ = std::move(request);
  }
  // Of a call that ends with a signal to the caller (a wait for a child's death): its end is seen
  // at that signal's stop, which saves one. Only where the kernel cannot end the call successfully
  // without a stop.
  void finish_at_next_stop() { lazy_ = true; }

  // The handler is about to do what takes longer than a look into the engine: others shall not
  // wait. kMoment: it does not sleep, and another thread need not be woken to receive calls in its
  // stead, which costs as much.
  enum class Delay { kLong, kMoment };
  void expect_delay(Delay delay = Delay::kLong) {
    if (on_delay_) on_delay_(delay);
  }

  // Rather than by what the handler would do, the call is to be served by an agent in the caller,
  // which has none yet. Where it cannot have one, the handler is asked again, and this is false.
  bool may_want_agent() const { return may_want_agent_; }
  void want_agent() { wants_agent_ = true; }

  // For back ends.
  bool wants_agent() const { return wants_agent_; }
  void refuse_agent() { wants_agent_ = may_want_agent_ = false; }
  void offer_agent() { may_want_agent_ = true; }
  void set_delay_observer(std::function<void(Delay)> observer) { on_delay_ = std::move(observer); }
  Outcome outcome() const { return outcome_; }
  long answer_value() const { return answer_; }
  UniqueFd take_fd() { return std::move(fd_); }
  int fd_flags() const { return fd_flags_; }
  const arch::Registers& call() const { return call_; }
  FinishHandler take_finish() { return std::move(finish_); }
  bool lazy() const { return lazy_; }
  ForkRequest take_fork() { return std::move(fork_); }

  // Of a call that is notified first (Way::kNotifyFirst): what needs a stop has to wait for it.
  // True: this is the notification, and the handler will run again at the stop.
  bool postponed() {
    if (notified_) outcome_ = Outcome::kRunThenFinish;
    return notified_;
  }
  void set_notified() { notified_ = true; }

  // Scratch memory on the caller's stack, below what it may use; `size` bytes, 16-byte aligned.
  // Good for arguments that must be copied where they can be rewritten. Ptrace stop only.
  std::uint64_t scratch(std::size_t size) const {
    return (guest_.sp() - arch::kRedZone - size) & ~std::uint64_t{15};
  }

 private:
  Runtime& runtime_;
  Task& task_;
  pid_t tid_;
  arch::Registers guest_;
  arch::Registers call_;
  Outcome outcome_ = Outcome::kRun;
  long answer_ = 0;
  UniqueFd fd_;
  int fd_flags_ = 0;
  FinishHandler finish_;
  bool may_want_agent_ = false;
  bool wants_agent_ = false;
  std::function<void(Delay)> on_delay_;
  bool lazy_ = false;
  bool notified_ = false;
  ForkRequest fork_;
};

}  // namespace warren
