// ptrace(2) of guests: requests that read or write a stopped tracee. The kernel serves them for the
// supervisor, which copies to and from the memory of the guest that asks; numbers of the host's in
// what is read are translated.
#include <linux/elf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "tracer/guest_trace.h"
#include "tracer/remote_memory.h"
#include "tracer/runtime.h"
#include "tracer/sent_signal.h"

namespace warren {

namespace {

constexpr std::size_t kRegisters = 27 * 8;
constexpr std::size_t kFloatRegisters = 512;
constexpr std::size_t kLargestRegset = 64 * 1024;
constexpr std::size_t kLargestInfo = 4096;
// Requests that libcs do not know yet.
constexpr long kGetRseqConfiguration = 0x420f;
constexpr long kSetSyscallUserDispatchConfig = 0x4210;
constexpr long kGetSyscallUserDispatchConfig = 0x4211;
constexpr long kSetSyscallInfo = 0x4212;
// arch_prctl(2): which of them give a value back.
constexpr std::uint64_t kArchGetFs = 0x1003;
constexpr std::uint64_t kArchGetGs = 0x1004;

// Past glibc's wrapper, which returns what PEEK requests read.
long host_ptrace(long request, pid_t tid, std::uint64_t address, const void* data) {
  const long r = syscall(SYS_ptrace, request, tid, address, data);
  return r < 0 ? -errno : r;
}

// What the request reads is of `size` bytes.
long read_block(const RemoteMemory& caller, long request, pid_t tid, std::uint64_t address,
                std::uint64_t to, std::size_t size) {
  std::vector<char> block(size);
  const long r = host_ptrace(request, tid, address, block.data());
  if (r < 0) return r;
  return caller.write_bytes(to, block.data(), size) ? r : -EFAULT;
}

long write_block(const RemoteMemory& caller, long request, pid_t tid, std::uint64_t address,
                 std::uint64_t from, std::size_t size) {
  std::vector<char> block(size);
  if (!caller.read_bytes(from, block.data(), size)) return -EFAULT;
  return host_ptrace(request, tid, address, block.data());
}

// Of those that are told the size of the room for their answer, and return how much there is.
long read_sized(const RemoteMemory& caller, long request, pid_t tid, std::uint64_t size,
                std::uint64_t to) {
  std::vector<char> block(std::min<std::uint64_t>(size, kLargestInfo));
  const long r = host_ptrace(request, tid, block.size(), block.data());
  if (r < 0) return r;
  const std::size_t written = std::min(static_cast<std::size_t>(r), block.size());
  return caller.write_bytes(to, block.data(), written) ? r : -EFAULT;
}

long serve_regset(const RemoteMemory& caller, long request, pid_t tid, std::uint64_t type,
                  std::uint64_t at) {
  const auto wanted = caller.read(RemotePtr<iovec>(at));
  if (!wanted) return -EFAULT;
  const auto base = reinterpret_cast<std::uint64_t>(wanted->iov_base);
  std::vector<char> block(std::min(wanted->iov_len, kLargestRegset));
  const bool sets = request == PTRACE_SETREGSET;
  if (sets && !caller.read_bytes(base, block.data(), block.size())) return -EFAULT;
  iovec own{block.data(), block.size()};
  const long r = host_ptrace(request, tid, type, &own);
  if (r < 0) return r;
  if (!sets && !caller.write_bytes(base, block.data(), own.iov_len)) return -EFAULT;
  const auto length = RemotePtr<std::size_t>(at + offsetof(iovec, iov_len));
  return caller.write(length, own.iov_len) ? r : -EFAULT;
}

// As the tracee's handler would see it.
void translate(Runtime& runtime, const Task& tracee, siginfo_t* info) {
  if (sent_signal::restore(info)) return;
  if (runtime.tells_of_child(*info)) {
    info->si_pid = runtime.to_guest_or_reaped(*tracee.ns(), info->si_pid);
  } else if (info->si_code == SI_USER || info->si_code == SI_TKILL || info->si_code == SI_MESGQ) {
    info->si_pid = runtime.to_guest(*tracee.ns(), info->si_pid);
  }
}

long get_siginfo(const Tracee& tracee, const RemoteMemory& caller, std::uint64_t to) {
  const GuestStop& stop = *tracee.guest->stop;
  siginfo_t info{};
  if (stop.info) {
    info = *stop.info;
  } else {
    const long r = host_ptrace(PTRACE_GETSIGINFO, tracee.tid, 0, &info);
    if (r < 0) return r;
    // A signal's was translated when it came.
    if (stop.kind != GuestStop::Kind::kSignal) info.si_pid = tracee.task->vnr();
  }
  // ptrace(2): this is how a group-stop is known from a signal, without PTRACE_SEIZE.
  if (stop.kind == GuestStop::Kind::kGroup && !tracee.guest->seized) return -EINVAL;
  return caller.write_bytes(to, &info, sizeof info) ? 0 : -EFAULT;
}

long peek_siginfo(Runtime& runtime, const Tracee& tracee, const RemoteMemory& caller,
                  std::uint64_t arguments, std::uint64_t to) {
  auto wanted = caller.read(RemotePtr<__ptrace_peeksiginfo_args>(arguments));
  if (!wanted) return -EFAULT;
  if (wanted->nr < 0) return -EINVAL;
  constexpr std::int32_t kMost = 64;  // "the number of signals that were read" may be smaller
  wanted->nr = std::min(wanted->nr, kMost);
  std::array<siginfo_t, kMost> infos{};
  const long r = host_ptrace(PTRACE_PEEKSIGINFO, tracee.tid,
                             reinterpret_cast<std::uint64_t>(&*wanted), infos.data());
  for (long i = 0; i < r; ++i)
    translate(runtime, *tracee.task, &infos[static_cast<std::size_t>(i)]);
  if (r <= 0) return r;
  const auto size = static_cast<std::size_t>(r) * sizeof(siginfo_t);
  return caller.write_bytes(to, infos.data(), size) ? r : -EFAULT;
}

}  // namespace

long serve_data_request(Runtime& runtime, Tracee& tracee, const RemoteMemory& caller, long request,
                        std::uint64_t address, std::uint64_t data) {
  const pid_t tid = tracee.tid;
  switch (request) {
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
    case PTRACE_PEEKUSER:
      return read_block(caller, request, tid, address, data, sizeof(long));
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
    case PTRACE_POKEUSER:
      return host_ptrace(request, tid, address, reinterpret_cast<void*>(data));
    case PTRACE_GETREGS:
      return read_block(caller, request, tid, 0, data, kRegisters);
    case PTRACE_SETREGS:
      return write_block(caller, request, tid, 0, data, kRegisters);
    case PTRACE_GETFPREGS:
      return read_block(caller, request, tid, 0, data, kFloatRegisters);
    case PTRACE_SETFPREGS:
      return write_block(caller, request, tid, 0, data, kFloatRegisters);
    case PTRACE_GETREGSET:
    case PTRACE_SETREGSET:
      return serve_regset(caller, request, tid, address, data);
    case PTRACE_ARCH_PRCTL:
      // The operation and its argument are the other way round than with all others.
      if (data == kArchGetFs || data == kArchGetGs) {
        std::uint64_t value = 0;
        const long r = host_ptrace(request, tid, reinterpret_cast<std::uint64_t>(&value),
                                   reinterpret_cast<void*>(data));
        if (r < 0) return r;
        return caller.write(RemotePtr<std::uint64_t>(address), value) ? r : -EFAULT;
      }
      return host_ptrace(request, tid, address, reinterpret_cast<void*>(data));
    case PTRACE_GETSIGINFO:
      return get_siginfo(tracee, caller, data);
    case PTRACE_SETSIGINFO: {
      const GuestStop& stop = *tracee.guest->stop;
      if (stop.kind == GuestStop::Kind::kGroup && !tracee.guest->seized) return -EINVAL;
      return write_block(caller, request, tid, 0, data, sizeof(siginfo_t));
    }
    case PTRACE_PEEKSIGINFO:
      return peek_siginfo(runtime, tracee, caller, address, data);
    case PTRACE_GETSIGMASK:
      if (address != sizeof(std::uint64_t)) return -EINVAL;
      return read_block(caller, request, tid, address, data, address);
    case PTRACE_SETSIGMASK:
      if (address != sizeof(std::uint64_t)) return -EINVAL;
      return write_block(caller, request, tid, address, data, address);
    case PTRACE_GETEVENTMSG:
      return caller.write(RemotePtr<unsigned long>(data), tracee.guest->stop->message) ? 0
                                                                                       : -EFAULT;
    case PTRACE_GET_SYSCALL_INFO:
    case kGetRseqConfiguration:
      return read_sized(caller, request, tid, address, data);
    case kGetSyscallUserDispatchConfig:
      if (address > kLargestInfo) return -EINVAL;
      return read_block(caller, request, tid, address, data, address);
    case kSetSyscallUserDispatchConfig:
    case kSetSyscallInfo:
      if (address > kLargestInfo) return -EINVAL;
      return write_block(caller, request, tid, address, data, address);
    case PTRACE_SECCOMP_GET_FILTER:
    case PTRACE_SECCOMP_GET_METADATA:
      return -EACCES;  // ptrace(2): CAP_SYS_ADMIN, and no filter of one's own
    default:
      return -EIO;
  }
}

}  // namespace warren
