#include "tracer/notifier.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <utility>

#include "arch/x86_64/interruptible_syscall.h"
#include "inject/image.h"
#include "inject/served_calls.h"
#include "tracer/agent_calls.h"
#include "tracer/process_flags.h"
#include "tracer/seccomp_filter.h"
#include "tracer/short_slices.h"
#include "tracer/syscall_context.h"
#include "tracer/syscall_table.h"
#include "tracer/tracer.h"

namespace warren {

namespace {

// Interrupts a thread that waits for a notification.
int stop_signal() { return SIGRTMIN + 5; }

constexpr unsigned kMostThreads = 4;
constexpr unsigned kReceivers = 2;

unsigned processors() { return std::max(1u, std::thread::hardware_concurrency()); }

// Who has it gives it back in some microseconds, sooner than one that sleeps is woken.
void lock_soon(std::unique_lock<std::mutex>& lock) {
  constexpr int kLooks = 500;
  for (int i = 0; i < kLooks; ++i) {
    if (lock.try_lock()) return;
    __builtin_ia32_pause();
  }
  lock.lock();
}

// Whether no process is left whose calls this listener gets (seccomp_unotify(2): POLLHUP).
bool deserted(int listener) {
  pollfd state{listener, 0, 0};
  return poll(&state, 1, 0) == 1 && (state.revents & POLLHUP) != 0;
}

arch::Registers as_registers(const seccomp_data& data) {
  arch::Registers registers;
  registers.set_syscall(data.nr);
  registers.set_ip(data.instruction_pointer);
  for (int i = 0; i < 6; ++i) registers.set_arg(i, data.args[i]);
  return registers;
}

// Whether a call is about nothing but its caller. Paths may be about others; whoever finds that one
// is (EngineView) looks what is new by itself.
bool is_about_caller_alone(int nr) {
  switch (nr) {
    case SYS_alarm:
    case SYS_exit:
    case SYS_mmap:
    case SYS_rt_sigaction:
    case SYS_set_tid_address:
    case SYS_setitimer:
      return true;
    default: {
      const inject::Service service = inject::service_of(nr);
      return service != inject::kServeNone && service != inject::kServeParentPid &&
             !inject::signals(service);
    }
  }
}

}  // namespace

Notifier::Notifier(Runtime& runtime, UniqueFd listener, bool sync_wakeup)
    : runtime_(runtime),
      listener_(std::move(listener)),
      // Without, calls are served all the same.
      sync_wakeup_(sync_wakeup && set_synchronous_wakeup(listener_.get(), true)),
      receivers_(std::min(processors(), kReceivers)) {
  struct sigaction action {};
  action.sa_sigaction = [](int, siginfo_t*, void* context) {
    arch::leave_interruptible_syscall(static_cast<ucontext_t*>(context));
  };
  action.sa_flags = SA_SIGINFO;
  sigaction(stop_signal(), &action, nullptr);
  // One more than receive: calls that take a while are few.
  for (unsigned i = 0; i < std::min(processors() + 1, kMostThreads); ++i) {
    ++running_;
    threads_.emplace_back([this] {
      ask_for_short_slices();
      serve();
      --running_;
    });
  }
}

Notifier::~Notifier() {
  stopping_ = 1;
  // All before the first is waited for: it may wait for the one that receives, and that for calls
  // of tasks that nobody knows and that live yet.
  for (std::thread& thread : threads_) pthread_kill(thread.native_handle(), stop_signal());
  for (std::thread& thread : threads_) thread.join();
}

void Notifier::serve() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, stop_signal());
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  seccomp_notif_sizes sizes{};
  syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes);
  const std::size_t request_size =
      std::max<std::size_t>(sizes.seccomp_notif, sizeof(seccomp_notif));
  const std::size_t response_size =
      std::max<std::size_t>(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp));
  const auto request = std::make_unique<char[]>(request_size);
  const auto response = std::make_unique<char[]>(response_size);
  bool receiving = false;
  while (!stopping_) {
    if (!receiving) receivers_.acquire();
    receiving = true;
    std::memset(request.get(), 0, request_size);
    const int before = sync_wakeup_ ? sched_getcpu() : 0;
    const long r = arch::interruptible_syscall(&stopping_, SYS_ioctl, listener_.get(),
                                               static_cast<long>(SECCOMP_IOCTL_NOTIF_RECV),
                                               reinterpret_cast<long>(request.get()), 0);
    if (r < 0) {
      if (r == -EINTR) continue;
      // The caller was interrupted or killed before we took its call; or there are no callers any
      // more, which is not waited for, either.
      if (r == -ENOENT && !deserted(listener_.get())) continue;
      break;
    }
    std::memset(response.get(), 0, response_size);
    const auto caller = reinterpret_cast<const seccomp_notif*>(request.get())->pid;
    const bool stays = sync_wakeup_ && !caller_processor_.is_here(static_cast<pid_t>(caller),
                                                                  before, sched_getcpu());
    if (stays) set_synchronous_wakeup(listener_.get(), false);
    receiving = handle(request.get(), response.get());
    if (stays) set_synchronous_wakeup(listener_.get(), true);
  }
  if (receiving) receivers_.release();  // so that the next thread ends as well
}

bool Notifier::handle(void* notification, void* response) {
  bool receiving = true;
  std::unique_lock serving(serving_, std::defer_lock);
  lock_soon(serving);
  const auto& request = *static_cast<const seccomp_notif*>(notification);
  auto& answer = *static_cast<seccomp_notif_resp*>(response);
  answer.id = request.id;
  answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  // Whom it wakes may take the processor at once. ENOENT: it was killed meanwhile.
  const auto send = [&] {
    if (serving.owns_lock()) serving.unlock();
    ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
  };
  const auto tid = static_cast<pid_t>(request.pid);
  Ref<Task> task = runtime_.task_of(tid);
  auto said = request.data.nr == SYS_getpid
                  ? inject::private_call_at(request.data.instruction_pointer)
                  : inject::PrivateCall::kNone;
  runtime_.stats().count_notification(request.data.nr, said != inject::PrivateCall::kNone);
  // Who is traced is traced through its forks.
  if (!runtime_.untraced() && said != inject::PrivateCall::kBooted) {
    said = inject::PrivateCall::kNone;
  }
  if (!task && runtime_.untraced()) {
    if (said == inject::PrivateCall::kRegister) {
      take_in_child(tid, request, &answer);
      send();
      return receiving;
    }
    task = runtime_.agent_forks().adopt(tid, AgentForks::Claim::kAny);
    // A child that went round the agent, or is not wanted any more.
    if (!task) kill(tid, SIGKILL);
  }
  if (!task) {
    send();
    return receiving;
  }
  if (has_flag(task->group(), ProcessFlag::kExecPending)) {
    runtime_.tracer().exec_ended(*task);
    task = runtime_.task_of(tid);
    if (!task) {
      send();
      return receiving;
    }
  }
  if (runtime_.untraced() && !task->alive()) {
    // Its parent has said that it had ended.
    kill(tid, SIGKILL);
    send();
    return receiving;
  }
  if (counter(task->group(), kVforksShift) != 0 ||
      has_flag(task->group(), ProcessFlag::kMemoryShared)) {
    runtime_.agent_forks().look_after_vforks(*task);
  }
  if (has_flag(task->group(), ProcessFlag::kBooting) && said != inject::PrivateCall::kBooted &&
      runtime_.agents().boot_failed(*task, request.data.instruction_pointer)) {
    answer.flags = 0;
    send();
    return receiving;
  }
  SyscallContext context(runtime_, *task, tid, as_registers(request.data));
  context.set_notified();
  context.set_delay_observer([&](SyscallContext::Delay delay) {
    if (serving.owns_lock()) serving.unlock();
    if (delay == SyscallContext::Delay::kLong && std::exchange(receiving, false))
      receivers_.release();
  });
  const SyscallEntry* const entry =
      runtime_.untraced() ? find_untraced_syscall(request.data.nr, context.guest().args())
                          : find_syscall(request.data.nr, Way::kNotify);
  if (request.data.nr == SYS_execve || request.data.nr == SYS_execveat) {
    // While there is a memory yet that tells of its children.
    runtime_.agent_forks().settle(task->group());
  } else if (request.data.nr == SYS_kill && context.int_arg(0) <= 0) {
    runtime_.tracer().take_in_newborn();
  } else if (!is_about_caller_alone(request.data.nr)) {
    runtime_.tracer().take_in_news();
  }
  bool answered = false;
  if (said != inject::PrivateCall::kNone && !has_flag(task->group(), ProcessFlag::kAgentRefused)) {
    if (serve_agent_call(said, context, {listener_.get(), request.id})) return receiving;
    if (serving.owns_lock()) serving.unlock();
    answered = carry_out(context, &answer);
  } else if (entry) {
    context.offer_agent();
    if (entry->way != Way::kPtrace) entry->handler(context);
    if (context.wants_agent() &&
        !runtime_.agents().bring_first(context, listener_.get(), request.id)) {
      context.refuse_agent();
      entry->handler(context);
    }
    using Outcome = SyscallContext::Outcome;
    const bool stop = entry->way == Way::kPtrace ||
                      (entry->way == Way::kNotifyFirst && context.outcome() != Outcome::kRun &&
                       context.outcome() != Outcome::kAnswer);
    if (stop) context.run();
    if (!context.wants_agent()) {
      runtime_.agents().after_call(context, listener_.get(), request.id);
    }
    // Unless it is to be made again anyway, for the agent's sake.
    if (stop && context.outcome() == Outcome::kRun) {
      runtime_.tracer().redo(tid, request.data.nr, request.data.instruction_pointer,
                             listener_.get(), request.id);
      return receiving;
    }
    if (serving.owns_lock()) serving.unlock();
    answered = carry_out(context, &answer);
  }
  if (!answered) send();
  return receiving;
}

bool Notifier::carry_out(SyscallContext& context, seccomp_notif_resp* answer) {
  switch (context.outcome()) {
    case SyscallContext::Outcome::kRun:
      break;
    case SyscallContext::Outcome::kInject: {
      const UniqueFd fd = context.take_fd();
      // Adds the descriptor and answers with its number in one step: a guest killed in between
      // would otherwise keep it without having been told.
      seccomp_notif_addfd add{};
      add.id = answer->id;
      add.flags = SECCOMP_ADDFD_FLAG_SEND;
      add.srcfd = static_cast<__u32>(fd.get());
      add.newfd_flags = static_cast<__u32>(context.fd_flags());
      if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0 || errno == ENOENT) {
        return true;
      }
      answer->flags = 0;
      answer->error = -errno;
      break;
    }
    case SyscallContext::Outcome::kAnswer:
      answer->flags = 0;
      if (context.answer_value() < 0 && context.answer_value() >= -4095) {
        answer->error = static_cast<int>(context.answer_value());
      } else {
        answer->val = context.answer_value();
      }
      break;
    case SyscallContext::Outcome::kRunThenFinish:  // only a ptrace stop can
    case SyscallContext::Outcome::kFork:
      answer->flags = 0;
      answer->error = -ENOSYS;
      break;
  }
  return false;
}

void Notifier::take_in_child(pid_t tid, const seccomp_notif& request, seccomp_notif_resp* answer) {
  const auto sixth = runtime_.agent_forks().registered(tid, request.data.args[5]);
  if (!sixth) kill(tid, SIGKILL);
  answer->flags = 0;
  answer->val = static_cast<std::int64_t>(sixth.value_or(0));
}

}  // namespace warren
