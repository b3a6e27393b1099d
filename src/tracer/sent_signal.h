// Signals that the supervisor sends in a guest's name.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>

#include "warren/types.h"

namespace warren {

class RemoteMemory;
class Runtime;
class Task;
class ThreadGroup;

// Whether the thread has a handler for the signal, or has it blocked.
bool sees_delivery(pid_t tid, int signal);

// Before a signal is sent to the process (`tid` 0) or to one thread of it: if it may be seen by the
// guest, and is not just acted on by default, the receiver is traced from now on, so that its
// delivery makes a stop. Not on the tracer's thread.
void trace_receiver(Runtime& runtime, ThreadGroup& process, pid_t tid, int signal);

// Before the kernel is to send the process the signal by itself, at any time: if it has a handler
// that does not restart calls, it is traced from now on. A call that is notified, and not taken
// yet, would end with EINTR (docs/compat.md). Not on the tracer's thread.
void trace_interrupted(Runtime& runtime, ThreadGroup& process, pid_t tid, int signal);

// As trace_receiver(), for a signal with a siginfo of the sender's, which nobody need translate:
// what an init may get is decided at the delivery.
void trace_init_receiver(Runtime& runtime, ThreadGroup& process, pid_t tid, int signal);

}  // namespace warren

namespace warren::sent_signal {

// kill(2) of a guest is carried out by the supervisor: one notification instead of two stops. The
// host's kernel would show the supervisor as the sender, and lets nobody claim si_code SI_USER for
// another; so such a signal travels as SI_QUEUE, with the sender's number as the receiver knows it,
// and a mark in si_errno by which its delivery stop knows what it really was. Who reads it from a
// signalfd sees SI_QUEUE (docs/compat.md).
//
// Sends `signal` to a process (`tid` 0) or to one thread of it, as coming from `sender_nr` (0: not
// visible to the receiver) with `code` SI_USER or SI_TKILL. 0 or -errno, as rt_sigqueueinfo(2).
int send(pid_t tgid, pid_t tid, int signal, int code, Nr sender_nr, uid_t sender_uid);

// Sends a process the SIGCHLD that tells of a task's stop or end to who traces it, where the
// supervisor is the one that does; numbers as the receiver knows them. `code`: CLD_*; `status`: as
// in si_status. The kernel lets nobody send that, either.
void send_child_news(pid_t tgid, Nr nr, uid_t uid, int code, int status);

// The siginfo at `address` is what the receiver has taken without a delivery stop, by
// rt_sigtimedwait(2): its numbers become the receiver's. Any thread, while the receiver waits.
void translate_taken(Runtime& runtime, Task& receiver, const RemoteMemory& memory,
                     std::uint64_t address);

// Whether the receiver's own agent has made the siginfo, so that its numbers need no translation.
bool is_own(const siginfo_t& info);

// At the delivery stop: makes a marked siginfo what the guest is to see. False if it is not marked.
bool restore(siginfo_t* info);

}  // namespace warren::sent_signal
