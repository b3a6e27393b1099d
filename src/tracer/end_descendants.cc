#include "tracer/end_descendants.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace warren {

namespace {

// The one program that the supervisor starts beside guests: it unmounts when the supervisor is gone
// and ends, and killed it would leave a dead mount.
constexpr char kUnmounter[] = "fusermount3";
constexpr char kOwnChildrenFile[] = "/proc/thread-self/children";
// Looks in a row that find nobody to kill although there are children: a list may miss somebody who
// was given to us while it was made, but not again and again.
constexpr int kMaxVainLooks = 16;
// Lists of our children in a row, before others below them are looked for.
constexpr int kMaxLooks = 16;

using Pids = std::vector<pid_t>;
// Processes by number, with their starts: a number may have become that of a stranger.
using Known = std::unordered_map<pid_t, std::uint64_t>;

Result<std::string> read_all(int directory, const char* path) {
  const UniqueFd fd(openat(directory, path, O_RDONLY | O_CLOEXEC));
  if (!fd) return Errno{errno};
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno{errno};
    if (n == 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

// Calls with the numbers among the names in a directory, while it is being read.
template <typename F>
Result<void> for_each_number_in(int at, const char* path, F call) {
  UniqueFd fd(openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Errno{errno};
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd.get()), closedir);
  if (!directory) return Errno{errno};
  fd.release();
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    pid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) call(number);
  }
  return {};
}

// What /proc/PID/stat tells; all 0 if there is no such process.
struct Stat {
  char state = 0;
  pid_t parent = 0;
  int threads = 0;
  std::uint64_t start = 0;  // in ticks: a number comes round again only after many of them
};

// "PID (NAME) STATE PARENT ...": the start is the twentieth field behind the name, and the
// number of threads the eighteenth.
Stat stat_at(int directory, const char* path) {
  const auto text = read_all(directory, path);
  const std::size_t name_end = text ? text->rfind(") ") : std::string::npos;
  if (name_end == std::string::npos) return {};
  Stat stat;
  const char* const end = text->data() + text->size();
  const char* at = text->data() + name_end + 1;
  for (int field = 1; field <= 20 && at != end; ++field) {
    ++at;
    if (field == 1 && at != end) stat.state = *at;
    if (field == 2) std::from_chars(at, end, stat.parent);
    if (field == 18) std::from_chars(at, end, stat.threads);
    if (field == 20) std::from_chars(at, end, stat.start);
    at = std::find(at, end, ' ');
  }
  return stat;
}

// Where the first thread has ended, its state says nothing of others.
bool is_alive(const Stat& stat) {
  return stat.threads > 1 || (stat.state != 'Z' && stat.state != 'X');
}

// How many seccomp filters a process has; empty if that is not told.
std::string filters_of(int process) {
  constexpr std::string_view kField = "\nSeccomp_filters:";
  const auto status = read_all(process, "status");
  const std::size_t at = status ? status->find(kField) : std::string::npos;
  if (at == std::string::npos) return "";
  return status->substr(at + kField.size(), status->find('\n', at + 1) - at - kField.size());
}

std::string path_of(pid_t pid) { return "/proc/" + std::to_string(pid); }

Stat stat_of(pid_t pid) { return stat_at(AT_FDCWD, (path_of(pid) + "/stat").c_str()); }

UniqueFd open_process(pid_t pid) {
  return UniqueFd(open(path_of(pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// The descriptor stands for one process, whosever its number may be by now.
bool send_kill(int process) {
  return syscall(SYS_pidfd_send_signal, process, SIGKILL, nullptr, 0) == 0;
}

bool is_in(const Known& known, pid_t pid, std::uint64_t start) {
  const auto it = known.find(pid);
  return it != known.end() && it->second == start;
}

// Anybody can have the name, but a guest has a filter more than we have, and cannot lose it.
bool is_unmounter(int process, int self) {
  const auto name = read_all(process, "comm");
  if (!name || *name != std::string(kUnmounter) + "\n") return false;
  const std::string filters = filters_of(process);
  return !filters.empty() && filters == filters_of(self);
}

// For a caller whose dead children are reaped by the kernel.
class Descendants {
 public:
  explicit Descendants(ChildrenFrom from) : from_(from) {}

  Result<void> end();

 private:
  struct Found {
    pid_t pid, parent;
    std::uint64_t parent_start;
  };

  template <typename F>
  Result<void> for_each_listed_child(F call);
  template <typename F>
  Result<void> for_each_child(F call);
  Result<Pids> children_of(pid_t pid, int process);
  Result<void> find_unmounters();
  Result<bool> kill_children();
  void kill_below_children();
  void kill_and_look_below(Found found);

  const ChildrenFrom from_;
  UniqueFd self_;                        // /proc/self
  Known unmounters_;                     // all that there have been
  Known killed_;                         // children in the last look
  bool ending_ = false;                  // whether there was a child in the last look that ends
  std::vector<Found> to_kill_;           // not recursion: chains of parents can be long
  std::unordered_map<pid_t, Pids> all_;  // kStat: of the last look, by parent
};

Result<Pids> Descendants::children_of(pid_t pid, int process) {
  if (from_ == ChildrenFrom::kStat) {
    const auto it = all_.find(pid);
    return it == all_.end() ? Pids() : it->second;
  }
  Pids found;
  const auto listed = for_each_number_in(process, "task", [&](pid_t tid) {
    const auto text = read_all(process, ("task/" + std::to_string(tid) + "/children").c_str());
    // A thread that has just ended has left its children to another, or to us.
    if (!text) return;
    const char* end = text->data() + text->size();
    for (const char* at = text->data(); at < end; ++at) {
      pid_t child = 0;
      at = std::from_chars(at, end, child).ptr;
      if (child > 0) found.push_back(child);
    }
  });
  if (!listed) return listed.error();
  return found;
}

// With kStat they are called with while all are looked at: some live for less long than that takes.
template <typename F>
Result<void> Descendants::for_each_listed_child(F call) {
  if (from_ == ChildrenFrom::kStat) {
    all_.clear();
    return for_each_number_in(AT_FDCWD, "/proc", [&](pid_t pid) {
      const pid_t parent = stat_of(pid).parent;
      if (parent != 0) all_[parent].push_back(pid);
      if (parent == getpid()) call(pid);
    });
  }
  const auto children = children_of(getpid(), self_.get());
  if (!children) return children.error();
  for (const pid_t child : *children) call(child);
  return {};
}

// Those who are alive: the SIGCHLD of another may have come already.
template <typename F>
Result<void> Descendants::for_each_child(F call) {
  return for_each_listed_child([&](pid_t child) {
    const UniqueFd process(open_process(child));
    if (!process) return;
    const Stat stat = stat_at(process.get(), "stat");
    if (stat.parent == getpid() && is_alive(stat)) call(child, stat.start, process.get());
  });
}

// They were the supervisor's children, so all of them are ours by now.
Result<void> Descendants::find_unmounters() {
  return for_each_child([this](pid_t child, std::uint64_t start, int process) {
    if (is_unmounter(process, self_.get())) unmounters_[child] = start;
  });
}

// There is as little as can be between two lists: some fork and end at once, over and over, and
// have another number in each list; they are caught because this is faster. Whether it has killed
// somebody, or why it cannot.
//
// One look at all is enough instead, as it has found those below our children, too. A look for each
// level of them would take too long.
Result<bool> Descendants::kill_children() {
  bool any = false;
  int refused = 0;
  bool more = true;
  const int max_looks = from_ == ChildrenFrom::kStat ? 1 : kMaxLooks;
  for (int looks = 0; more && looks < max_looks; ++looks) {
    const Known before = std::exchange(killed_, {});
    ending_ = more = false;
    const auto listed = for_each_child([&](pid_t child, std::uint64_t start, int process) {
      const bool unmounter = is_in(unmounters_, child, start);
      const bool again = is_in(before, child, start);
      if (!unmounter && !again && !send_kill(process)) {
        // Else it has ended by itself.
        if (errno != ESRCH) refused = errno;
        return;
      }
      ending_ = true;
      if (unmounter) return;
      killed_[child] = start;
      if (!again) any = more = true;
    });
    if (!listed) return listed.error();
  }
  if (refused != 0 && !any && !ending_) return Errno{refused};
  return any;
}

// With kStat also below those who are gone since the look: they die faster than all can be looked
// at again.
void Descendants::kill_below_children() {
  for (const auto& [child, start] : killed_) {
    if (from_ != ChildrenFrom::kStat) {
      to_kill_.push_back({child, getpid(), 0});
      continue;
    }
    const auto below = all_.find(child);
    if (below == all_.end()) continue;
    for (const pid_t pid : below->second) to_kill_.push_back({pid, child, start});
  }
  while (!to_kill_.empty()) {
    const Found next = to_kill_.back();
    to_kill_.pop_back();
    kill_and_look_below(next);
  }
}

// The number may have become that of a stranger since it was read. So may that of its parent, which
// is why the parent's start is asked for after the child's parent: who is still there was it.
// Whoever has got another parent meanwhile than us is found below that one, or below us in the next
// round.
//
// It is killed before its children are listed: who has a SIGKILL pending forks no more, so the list
// is whole, and one round takes all of a tree that stands still.
void Descendants::kill_and_look_below(Found found) {
  const UniqueFd process(open_process(found.pid));
  if (!process) return;
  const Stat stat = stat_at(process.get(), "stat");
  if (stat.parent != getpid() &&
      (stat.parent != found.parent || stat_of(found.parent).start != found.parent_start)) {
    return;
  }
  if (is_in(unmounters_, found.pid, stat.start)) return;
  send_kill(process.get());
  const auto children = children_of(found.pid, process.get());
  // Who cannot be looked at is about to end, and then its children come to us.
  if (!children) return;
  for (const pid_t child : *children) to_kill_.push_back({child, found.pid, stat.start});
}

// Whether there are children; those who died before the kernel was told to reap them are no more.
bool have_children() {
  for (;;) {
    const pid_t pid = waitpid(-1, nullptr, __WALL | WNOHANG);
    if (pid == 0) return true;
    if (pid < 0 && errno != EINTR) return false;
  }
}

sigset_t only_sigchld() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return set;
}

// Whether a child has died since the last call.
bool has_child_died() {
  const sigset_t set = only_sigchld();
  const timespec none = {};
  return sigtimedwait(&set, nullptr, &none) == SIGCHLD;
}

void wait_for_death() {
  const sigset_t set = only_sigchld();
  while (sigwaitinfo(&set, nullptr) < 0 && errno == EINTR) continue;
}

Result<void> Descendants::end() {
  if (!have_children()) return {};
  self_ = open_process(getpid());
  if (!self_) return Errno{errno};
  if (auto found = find_unmounters(); !found) return found.error();
  int vain_looks = 0;
  while (have_children()) {
    // Asked before the look, so that the death of whom it finds is another.
    const bool died = has_child_died();
    const auto any = kill_children();
    if (!any) return any.error();
    kill_below_children();
    // It is waited only for those who end, and when nobody else was found who has to: orphans come
    // to us without a sign.
    const bool wait = !*any && ending_;
    if (wait) wait_for_death();
    vain_looks = *any || wait || died ? 0 : vain_looks + 1;
    if (vain_looks == kMaxVainLooks) return Errno{ESRCH};
  }
  return {};
}

}  // namespace

bool may_have_other_children() {
  siginfo_t info;
  return getpid() == 1 || waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

void take_orphans() { prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

ReapedByKernel::ReapedByKernel() {
  const sigset_t set = only_sigchld();
  sigprocmask(SIG_BLOCK, &set, &mask_before_);
  // Not SIG_IGN: then no SIGCHLD would come.
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  action.sa_flags = SA_NOCLDWAIT | SA_NOCLDSTOP;
  sigaction(SIGCHLD, &action, &action_before_);
}

ReapedByKernel::~ReapedByKernel() {
  has_child_died();
  sigaction(SIGCHLD, &action_before_, nullptr);
  sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
}

OutlivedChild::OutlivedChild(pid_t child)
    : pid_(child), fd_(static_cast<int>(syscall(SYS_pidfd_open, child, 0))) {
  if (fd_) reaped_.emplace();
}

void OutlivedChild::wait() const {
  if (fd_) {
    pollfd ended = {fd_.get(), POLLIN, 0};
    while (poll(&ended, 1, -1) < 0 && errno == EINTR) continue;
  } else {
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }
}

Result<void> end_descendants(ChildrenFrom from) {
  if (from == ChildrenFrom::kBest) {
    const bool has_file = access(kOwnChildrenFile, F_OK) == 0;
    from = has_file ? ChildrenFrom::kChildrenFile : ChildrenFrom::kStat;
  }
  const ReapedByKernel reaped;
  return Descendants(from).end();
}

}  // namespace warren
