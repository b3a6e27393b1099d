#include "tracer/group_host.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/unique_fd.h"
#include "tracer/cpu_mask.h"
#include "tracer/original_limits.h"
#include "tracer/process_flags.h"
#include "tracer/runtime.h"
#include "tracer/tracer.h"
#include "warren/groups.h"

namespace warren {

namespace {

constexpr std::uint64_t kMicroseconds = 1'000'000;

// A whole small file of /proc, as text; empty if it is gone.
std::size_t read_proc(const char* path, char* text, std::size_t capacity) {
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  const ssize_t length = file.ok() ? read(file.get(), text, capacity - 1) : -1;
  const std::size_t size = length > 0 ? static_cast<std::size_t>(length) : 0;
  text[size] = 0;
  return size;
}

// The clocks of another process, as the kernel numbers them (clock_getcpuclockid(3)).
enum class ProcessClock { kUserAndSystem = 0, kUser = 1, kRun = 2 };

// Microseconds; 0 if there is no such process.
std::uint64_t process_clock(pid_t process, ProcessClock which) {
  const auto id =
      static_cast<clockid_t>((~static_cast<unsigned>(process) << 3) | static_cast<unsigned>(which));
  timespec time{};
  if (clock_gettime(id, &time) != 0) return 0;
  return static_cast<std::uint64_t>(time.tv_sec) * kMicroseconds +
         static_cast<std::uint64_t>(time.tv_nsec) / 1000;
}

// The kernel counts user and system time in ticks, and only their sum exactly.
CpuTime split(std::uint64_t total, std::uint64_t user, std::uint64_t both) {
  if (both == 0) return {total, 0};
  const auto share = static_cast<double>(user) / static_cast<double>(both);
  const auto user_time = static_cast<std::uint64_t>(static_cast<double>(total) * share);
  return {std::min(total, user_time), total - std::min(total, user_time)};
}

// One thread of several: only its files in /proc tell.
CpuTime thread_cpu_time(pid_t process, pid_t tid) {
  char path[64];
  char text[1024];
  const auto tick = kMicroseconds / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  std::snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", process, tid);
  unsigned long long run = 0;
  const bool exact =
      read_proc(path, text, sizeof text) != 0 && std::sscanf(text, "%llu", &run) == 1;
  // Of so little, ticks tell nothing.
  if (exact && run / 1000 < tick) return split(run / 1000, 0, 0);
  std::snprintf(path, sizeof path, "/proc/%d/task/%d/stat", process, tid);
  if (read_proc(path, text, sizeof text) == 0) return {};
  // The command may contain anything; the last parenthesis ends it.
  const char* const end = std::strrchr(text, ')');
  unsigned long user = 0;
  unsigned long system = 0;
  if (!end || std::sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                          &system) != 2) {
    return {};
  }
  if (!exact) return {user * tick, system * tick};
  return split(run / 1000, user, user + system);
}

CpuSet processors_of_supervisor() {
  auto cpus = cpu_mask::of_task(0);
  return cpus ? std::move(*cpus) : CpuSet{};
}

bool any(const CpuSet& set) {
  return std::any_of(set.begin(), set.end(), [](bool member) { return member; });
}

CpuSet intersection(const CpuSet& a, const CpuSet& b) {
  CpuSet both(std::min(a.size(), b.size()));
  for (std::size_t n = 0; n < both.size(); ++n) both[n] = a[n] && b[n];
  return both;
}

// Whether all of `set` is in `of`.
bool within(const CpuSet& set, const CpuSet& of) {
  for (std::size_t n = 0; n < set.size(); ++n) {
    if (set[n] && (n >= of.size() || !of[n])) return false;
  }
  return true;
}

rlim_t limit_of(std::uint64_t value) { return value == UINT64_MAX ? RLIM_INFINITY : value; }

std::uint64_t kilobytes_of(const char* status, const char* name) {
  const char* const line = std::strstr(status, name);
  return line ? std::strtoull(line + std::strlen(name), nullptr, 10) * 1024 : 0;
}

// Whether the process has no memory but its parent's (vfork(2)).
bool lodges(const ThreadGroup& process) {
  if (process.did_exec()) return false;
  const Ref<ThreadGroup> parent = process.parent();
  return parent && syscall(SYS_kcmp, process.level0(), parent->level0(), KCMP_VM, 0, 0) == 0;
}

}  // namespace

TracerGroupHost::TracerGroupHost(Runtime& runtime, GroupMirror* mirror)
    : runtime_(runtime), mirror_(mirror), cpus_(processors_of_supervisor()) {}

TracerGroupHost::~TracerGroupHost() { stop(); }

void TracerGroupHost::freeze(Task& task) { runtime_.tracer().freeze(Ref<Task>(task)); }

void TracerGroupHost::thaw(Task& task) { runtime_.tracer().thaw(Ref<Task>(task)); }

Result<void> TracerGroupHost::set_cpus(Task& task, const CpuSet& cpus) {
  const pid_t tid = task.level0();
  CpuSet target;
  {
    const std::lock_guard lock(cpus_mutex_);
    const auto it = confined_.find(&task);
    CpuSet wanted;
    if (it != confined_.end()) {
      wanted = it->second.wanted;
    } else if (const auto now = cpu_mask::of_task(tid); now && !within(cpus_, *now)) {
      // What it has chosen, or inherited, before anybody confined it.
      wanted = *now;
    }
    const CpuSet allowed = any(cpus) ? cpus : cpus_;
    target = allowed;
    if (any(wanted) && any(intersection(wanted, allowed))) target = intersection(wanted, allowed);
    if (within(cpus_, allowed)) {
      if (it != confined_.end()) confined_.erase(it);
    } else if (task.alive()) {
      confined_.insert_or_assign(&task, Confinement{allowed, std::move(wanted)});
    }
    nr_confined_.store(confined_.size(), std::memory_order_relaxed);
  }
  const auto result = cpu_mask::set(tid, target);
  // It has ended meanwhile.
  if (!result && result.error_code() == ESRCH) return {};
  return result;
}

CpuSet TracerGroupHost::confine(const Task& task, const CpuSet& wanted) {
  if (!any_confined()) return wanted;
  const std::lock_guard lock(cpus_mutex_);
  const auto it = confined_.find(&task);
  if (it == confined_.end()) return wanted;
  CpuSet target = intersection(wanted, it->second.allowed);
  // cpuset(7): a mask that has none of them is EINVAL, and changes nothing.
  if (any(target)) it->second.wanted = wanted;
  return target;
}

void TracerGroupHost::inherit_cpus(const Task& parent, const Task& child) {
  const std::lock_guard lock(cpus_mutex_);
  const auto it = confined_.find(&parent);
  if (it == confined_.end()) return;
  const Confinement inherited = it->second;
  confined_.insert_or_assign(&child, inherited);
  nr_confined_.store(confined_.size(), std::memory_order_relaxed);
}

CpuTime TracerGroupHost::read_cpu_time(pid_t tid, const Task& task) {
  const ThreadGroup& process = task.group();
  if (has_flag(process, ProcessFlag::kHadThreads) || !task.is_leader()) {
    return thread_cpu_time(process.level0(), tid);
  }
  return split(process_clock(tid, ProcessClock::kRun), process_clock(tid, ProcessClock::kUser),
               process_clock(tid, ProcessClock::kUserAndSystem));
}

CpuTime TracerGroupHost::cpu_time(Task& task) {
  {
    const std::lock_guard lock(ended_mutex_);
    if (const auto it = ended_.find(&task); it != ended_.end()) return it->second;
  }
  CpuTime time = read_cpu_time(task.level0(), task);
  if (task.is_leader()) {
    const CpuTime children = runtime_.tracer().waited_times().own(task.group());
    time.user += children.user;
    time.system += children.system;
  }
  return time;
}

void TracerGroupHost::tell_times_apart() { runtime_.agents().tell_waits(); }

void TracerGroupHost::ended(const Task& task, const CpuTime& time) {
  const std::lock_guard lock(ended_mutex_);
  ended_.insert_or_assign(&task, time);
}

void TracerGroupHost::forget(const Task& task) {
  {
    const std::lock_guard lock(ended_mutex_);
    ended_.erase(&task);
  }
  if (!any_confined()) return;
  const std::lock_guard lock(cpus_mutex_);
  confined_.erase(&task);
  nr_confined_.store(confined_.size(), std::memory_order_relaxed);
}

Result<void> TracerGroupHost::set_nice(Task& task, int nice) {
  // Of one thread: PRIO_PROCESS means that on Linux (setpriority(2), NOTES).
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(task.level0()), nice) == 0) return {};
  if (errno == ESRCH) return {};
  return Errno{errno};
}

MemoryUse TracerGroupHost::memory(ThreadGroup& process) {
  if (lodges(process)) return {};
  char path[64];
  char text[4096];
  std::snprintf(path, sizeof path, "/proc/%d/status", process.level0());
  if (read_proc(path, text, sizeof text) == 0) return {};
  MemoryUse use;
  use.swap = kilobytes_of(text, "\nVmSwap:");
  use.anon = kilobytes_of(text, "\nRssAnon:") + use.swap;
  use.file = kilobytes_of(text, "\nRssFile:");
  use.shmem = kilobytes_of(text, "\nRssShmem:");
  return use;
}

MemoryUse TracerGroupHost::memory_share(ThreadGroup& process) {
  if (lodges(process)) return {};
  char path[64];
  char text[4096];
  std::snprintf(path, sizeof path, "/proc/%d/smaps_rollup", process.level0());
  if (read_proc(path, text, sizeof text) == 0) return memory(process);
  MemoryUse use;
  use.swap = kilobytes_of(text, "\nSwapPss:");
  use.anon = kilobytes_of(text, "\nPss_Anon:") + use.swap;
  use.file = kilobytes_of(text, "\nPss_File:");
  use.shmem = kilobytes_of(text, "\nPss_Shmem:");
  return use;
}

std::uint64_t TracerGroupHost::namespace_inode(PidNamespace& ns) {
  const auto inode = runtime_.namespace_files().inode(Ref<PidNamespace>(ns));
  return inode ? *inode : ns.inode();
}

Result<void> TracerGroupHost::set_rlimit(ThreadGroup& process, int resource, std::uint64_t soft,
                                         std::uint64_t hard) {
  const rlimit limit{limit_of(soft), limit_of(hard)};
  if (prlimit(process.level0(), static_cast<__rlimit_resource>(resource), &limit, nullptr) == 0) {
    return {};
  }
  if (errno == ESRCH) return {};
  return Errno{errno};
}

void TracerGroupHost::kill(ThreadGroup& process, int signal) {
  // The number stays the process's until the tracer has heard of its death and its parent has
  // waited for it; one that is a zombie already has no use for signals.
  if (process.state() == GroupState::kAlive) ::kill(process.level0(), signal);
}

void TracerGroupHost::watch_devices() {
  // First agents ask for every path, then paths are looked at; calls in flight are as if before.
  runtime_.agents().ask_paths();
  watches_devices_.store(true, std::memory_order_relaxed);
}

void TracerGroupHost::run_agent(const std::string& program, const std::string& argument) {
  // As the kernel runs a release agent (cgroups(7)).
  const char* const argv[] = {program.c_str(), argument.c_str(), nullptr};
  const char* const envp[] = {"HOME=/", "PATH=/sbin:/bin:/usr/sbin:/usr/bin", nullptr};
  // Held until the child is known as an agent, so that the tracer cannot take its end for that of a
  // guest.
  const std::lock_guard lock(agents_mutex_);
  const pid_t pid = fork();
  if (pid > 0) agents_.insert(pid);
  if (pid != 0) return;
  // The process has other threads: async-signal-safe calls only.
  setsid();
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 0; null >= 0 && fd < 3; ++fd) dup2(null, fd);
  syscall(SYS_close_range, 3, ~0U, 0);
  for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
  restore_original_limits();
  set_original_signal_mask();
  execve(program.c_str(), const_cast<char* const*>(argv), const_cast<char* const*>(envp));
  _exit(127);
}

bool TracerGroupHost::take_agent(pid_t pid) {
  const std::lock_guard lock(agents_mutex_);
  return agents_.erase(pid) != 0;
}

void TracerGroupHost::set_tick(int milliseconds) {
  const std::lock_guard lock(tick_mutex_);
  if (stopping_) return;
  tick_ = std::chrono::milliseconds{std::max(milliseconds, 0)};
  if (!ticker_.joinable() && tick_.count() > 0) ticker_ = std::thread([this] { tick_loop(); });
  tick_changed_.notify_one();
}

void TracerGroupHost::tick_loop() {
  std::unique_lock lock(tick_mutex_);
  while (!stopping_) {
    const auto tick = tick_;
    const auto changed = [&] { return stopping_ || tick_ != tick; };
    if (tick.count() == 0) {
      tick_changed_.wait(lock, changed);
    } else if (!tick_changed_.wait_for(lock, tick, changed)) {
      lock.unlock();
      runtime_.groups().tick();
      lock.lock();
    }
  }
}

void TracerGroupHost::stop() {
  {
    const std::lock_guard lock(tick_mutex_);
    stopping_ = true;
  }
  tick_changed_.notify_one();
  if (ticker_.joinable()) ticker_.join();
}

std::string TracerGroupHost::nodename() {
  utsname names{};
  return uname(&names) == 0 ? names.nodename : "(none)";
}

std::string TracerGroupHost::domainname() {
  utsname names{};
  return uname(&names) == 0 ? names.domainname : "(none)";
}

std::uint64_t TracerGroupHost::now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kMicroseconds +
         static_cast<std::uint64_t>(time.tv_nsec) / 1000;
}

}  // namespace warren
