// How a task comes to have the agent in its memory: it is interrupted at the end of a call, maps
// the agent's code by a remote call, and runs the agent's own boot code for the rest.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <future>

#include "inject/image.h"
#include "inject/site.h"
#include "tracer/process_flags.h"
#include "tracer/ptrace.h"
#include "tracer/tracer.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace warren {

namespace {

// Whether what the task has at the agent's address is the agent.
bool has_agent(pid_t tid) {
  inject::Header there;
  return RemoteMemory(tid).read_bytes(inject::kBase, &there, sizeof there) &&
         std::memcmp(&there, &inject::agent_header(), sizeof there) == 0;
}

}  // namespace

bool Tracer::map_agent(pid_t tid, int nr, std::uint64_t after_syscall, int fd, int texts_fd) {
  std::promise<bool> done;
  const bool posted = post([&] {
    const Ref<Task> task = runtime_.untraced() ? runtime_.task_of(tid) : nullptr;
    Tracee* const tracee = task ? seize(task) : find(tid);
    if (tracee) tracee->agent = Tracee::AgentMapping{nr, after_syscall, fd, texts_fd};
    done.set_value(tracee && ptrace_call::raw(PTRACE_INTERRUPT, tid, nullptr, nullptr) == 0);
  });
  return posted && done.get_future().get();
}

void Tracer::finish_mapping(Tracee& tracee) {
  const Tracee::AgentMapping mapping = *tracee.agent;
  tracee.agent.reset();
  arch::Registers guest;
  if (!ptrace_call::get_registers(tracee.tid, &guest)) return;
  arch::Registers at = guest;
  at.set_ip(mapping.after_syscall);
  at.set_syscall(-1);
  const auto close_all = [&] {
    for (const int fd : {mapping.fd, mapping.texts_fd}) {
      if (fd >= 0) remote_syscall(tracee, at, SYS_close, {static_cast<std::uint64_t>(fd)});
    }
  };
  const long mapped =
      remote_syscall(tracee, at, SYS_mmap,
                     {inject::kBase, inject::kState - inject::kBase, PROT_READ | PROT_EXEC,
                      MAP_SHARED | MAP_FIXED_NOREPLACE, static_cast<std::uint64_t>(mapping.fd), 0});
  ThreadGroup& process = tracee.task->group();
  if (mapped == -EEXIST) {
    // An exec that failed made us forget that it is there; or something of the program's own is,
    // its text or its heap.
    close_all();
    set_flag(process,
             has_agent(tracee.tid) ? ProcessFlag::kAgentMapped : ProcessFlag::kAgentRefused);
  } else if (mapped == static_cast<long>(inject::kBase)) {
    if (boot_agent(tracee, at, mapping)) {
      runtime_.agents().arrived(*tracee.task);
    } else {
      set_flag(process, ProcessFlag::kAgentRefused);
    }
  } else {
    // Linux before 4.17 takes the address for a hint.
    if (mapped > 0) {
      remote_syscall(tracee, at, SYS_munmap,
                     {static_cast<std::uint64_t>(mapped), inject::kState - inject::kBase});
    }
    close_all();
    set_flag(process, ProcessFlag::kAgentRefused);
  }
  guest.rewind(mapping.nr);
  // Through the jump that may be there by now.
  inject::SiteBytes site;
  const std::uint64_t begin = mapping.after_syscall - site.size();
  if (RemoteMemory(tracee.tid).read_bytes(begin, site.data(), site.size()) &&
      inject::is_jump(site)) {
    guest.set_ip(begin);
  }
  ptrace_call::set_registers(tracee.tid, guest);
}

bool Tracer::boot_agent(Tracee& tracee, const arch::Registers& at,
                        const Tracee::AgentMapping& mapping) {
  const pid_t tid = tracee.tid;
  TextImages::Plan plan;
  if (mapping.texts_fd >= 0) plan = runtime_.agents().plan_texts(tracee.task->group().level0());
  const std::size_t size = plan.texts.size() * sizeof(TextImages::Replacement);
  const std::uint64_t list = (at.sp() - arch::kRedZone - size) & ~std::uint64_t{15};
  if (size != 0 && !RemoteMemory(tid).write_bytes(list, plan.texts.data(), size)) plan = {};
  std::uint64_t mask = 0;
  std::uint64_t all = ~std::uint64_t{0};
  if (!ptrace_call::get_signal_mask(tid, &mask)) return false;
  const inject::Header& header = inject::agent_header();
  arch::Registers boot = at;
  boot.set_ip(header.boot);
  boot.set_arg(0, static_cast<std::uint64_t>(mapping.fd));
  boot.set_arg(1, list);
  boot.set_arg(2, plan.texts.size());
  boot.set_arg(3, static_cast<std::uint64_t>(mapping.texts_fd));
  ptrace_call::set_signal_mask(tid, &all);
  ptrace_call::set_registers(tid, boot);
  bool stop_signal = false;
  arch::Registers end;
  for (;;) {
    ptrace_call::resume(tid);
    const int status = next_remote_stop(tracee);
    if (status == 0) return false;
    if (status >> 16 == PTRACE_EVENT_SECCOMP) break;
    if (WSTOPSIG(status) == SIGSTOP && status >> 16 == 0) stop_signal = true;
  }
  ptrace_call::set_signal_mask(tid, &mask);
  if (stop_signal) kill(tid, SIGSTOP);
  if (!ptrace_call::get_registers(tid, &end) ||
      end.syscall() != static_cast<long>(header.boot_ends) || end.arg(0) != inject::kState ||
      end.arg(1) != 0) {
    // Jumps that lead nowhere.
    if (!plan.texts.empty()) kill(tid, SIGKILL);
    return false;
  }
  // Nothing of the guest's has run since its texts changed.
  const bool told = TextImages::tell_slots(RemoteMemory(tid), plan);
  if (!told) kill(tid, SIGKILL);
  if (plan.serves_signals) set_flag(tracee.task->group(), ProcessFlag::kSignalsServed);
  return told;
}

}  // namespace warren
