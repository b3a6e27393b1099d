#include "tracer/end_descendants.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
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

// The numbers among the names in a directory.
Result<Pids> numbers_in(int at, const char* path) {
  UniqueFd fd(openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Errno{errno};
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd.get()), closedir);
  if (!directory) return Errno{errno};
  fd.release();
  Pids found;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    pid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) found.push_back(number);
  }
  return found;
}

// The parent in a text of /proc/PID/stat, "PID (NAME) STATE PARENT ..."; 0 if there is none.
pid_t parent_in(std::string_view stat) {
  const std::size_t name_end = stat.rfind(") ");
  pid_t parent = 0;
  if (name_end == stat.npos || name_end + 4 > stat.size()) return 0;
  std::from_chars(stat.data() + name_end + 4, stat.data() + stat.size(), parent);
  return parent;
}

pid_t parent_of(int process) {
  const auto stat = read_all(process, "stat");
  return stat ? parent_in(*stat) : 0;
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

UniqueFd open_process(pid_t pid) {
  return UniqueFd(open(path_of(pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// Anybody can have the name, but a guest has a filter more than we have, and cannot lose it.
bool is_unmounter(pid_t child, int self) {
  const auto name = read_all(AT_FDCWD, (path_of(child) + "/comm").c_str());
  if (!name || *name != std::string(kUnmounter) + "\n") return false;
  const UniqueFd process(open_process(child));
  const std::string filters = process ? filters_of(process.get()) : "";
  return !filters.empty() && filters == filters_of(self);
}

class Descendants {
 public:
  explicit Descendants(ChildrenFrom from) : from_(from) {}

  Result<void> end();

 private:
  struct Found {
    pid_t pid, parent;
  };

  Result<Pids> children_of(pid_t pid, int process);
  Result<Pids> own_children();
  Result<void> look_at_all();
  Result<void> find_unmounters();
  Result<bool> kill_children();
  void kill_below_children();
  void kill_and_look_below(Found found);
  bool reap_dead(bool block = false);
  bool nobody_is_ending() const { return killed_.empty() && unmounters_.empty(); }

  const ChildrenFrom from_;
  UniqueFd self_;                                  // /proc/self
  std::unordered_set<pid_t> killed_, unmounters_;  // children that are not reaped yet
  std::vector<Found> to_kill_;                     // not recursion: chains of parents can be long
  std::unordered_map<pid_t, Pids> all_;            // kStat
};

Result<void> Descendants::look_at_all() {
  const auto pids = numbers_in(AT_FDCWD, "/proc");
  if (!pids) return pids.error();
  all_.clear();
  for (const pid_t pid : *pids) {
    const auto stat = read_all(AT_FDCWD, (path_of(pid) + "/stat").c_str());
    if (stat) all_[parent_in(*stat)].push_back(pid);
  }
  return {};
}

Result<Pids> Descendants::children_of(pid_t pid, int process) {
  if (from_ == ChildrenFrom::kStat) {
    const auto it = all_.find(pid);
    return it == all_.end() ? Pids() : it->second;
  }
  const auto threads = numbers_in(process, "task");
  if (!threads) return threads.error();
  Pids found;
  for (const pid_t tid : *threads) {
    const auto text = read_all(process, ("task/" + std::to_string(tid) + "/children").c_str());
    // A thread that has just ended has left its children to another, or to us.
    if (!text) continue;
    const char* end = text->data() + text->size();
    for (const char* at = text->data(); at < end; ++at) {
      pid_t child = 0;
      at = std::from_chars(at, end, child).ptr;
      if (child > 0) found.push_back(child);
    }
  }
  return found;
}

Result<Pids> Descendants::own_children() {
  if (from_ == ChildrenFrom::kStat) {
    if (auto looked = look_at_all(); !looked) return looked.error();
  }
  return children_of(getpid(), self_.get());
}

// They were the supervisor's children, so all of them are ours by now.
Result<void> Descendants::find_unmounters() {
  const auto children = own_children();
  if (!children) return children.error();
  for (const pid_t child : *children) {
    if (is_unmounter(child, self_.get())) unmounters_.insert(child);
  }
  return {};
}

// Nobody but us reaps them, so the numbers are their own. There is nothing else between two lists:
// some fork and end at once, over and over, and have another number in each list; they are caught
// because this is faster. Whether it has killed somebody, or why it cannot.
Result<bool> Descendants::kill_children() {
  bool any = false;
  int refused = 0;
  bool more = true;
  for (int looks = 0; more && looks < kMaxLooks; ++looks) {
    const auto children = own_children();
    if (!children) return children.error();
    more = false;
    for (const pid_t child : *children) {
      if (killed_.contains(child) || unmounters_.contains(child)) continue;
      if (kill(child, SIGKILL) == 0) {
        killed_.insert(child);
        any = more = true;
      } else {
        refused = errno;
      }
    }
    // Else the dead make the lists long.
    if (!reap_dead()) return any;
  }
  if (refused != 0 && !any && nobody_is_ending()) return Errno{refused};
  return any;
}

void Descendants::kill_below_children() {
  for (const pid_t child : killed_) {
    to_kill_.push_back({child, getpid()});
    while (!to_kill_.empty()) {
      const Found next = to_kill_.back();
      to_kill_.pop_back();
      kill_and_look_below(next);
    }
  }
}

// The descriptor stands for one process, while its number may have become that of a stranger since
// it was read: its parent, who is dying, may have reaped it yet. Whoever has got another parent
// meanwhile than us is found below that one, or below us in the next round.
//
// It is killed before its children are listed: who has a SIGKILL pending forks no more, so the list
// is whole, and one round takes all of a tree that stands still.
void Descendants::kill_and_look_below(Found found) {
  const UniqueFd process(open_process(found.pid));
  if (!process) return;
  const pid_t parent = parent_of(process.get());
  if (parent != found.parent && parent != getpid()) return;
  syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  const auto children = children_of(found.pid, process.get());
  // Who cannot be looked at is about to end, and then its children come to us.
  if (!children) return;
  for (const pid_t child : *children) to_kill_.push_back({child, found.pid});
}

// Waits for a child if `block`, and reaps all who are dead. False: there are no children any more.
bool Descendants::reap_dead(bool block) {
  for (;;) {
    const pid_t pid = waitpid(-1, nullptr, __WALL | (block ? 0 : WNOHANG));
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return pid == 0;
    killed_.erase(pid);
    unmounters_.erase(pid);
    block = false;
  }
}

Result<void> Descendants::end() {
  if (!reap_dead()) return {};
  self_ = open_process(getpid());
  if (!self_) return Errno{errno};
  if (auto found = find_unmounters(); !found) return found.error();
  int vain_looks = 0;
  bool block = false;
  while (reap_dead(block)) {
    kill_below_children();
    const auto any = kill_children();
    if (!any) return any.error();
    // It is waited only for those who end, and when nobody else was found who has to: orphans come
    // to us without a sign.
    block = !*any && !nobody_is_ending();
    vain_looks = *any || block ? 0 : vain_looks + 1;
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

Result<void> end_descendants(ChildrenFrom from) {
  if (from == ChildrenFrom::kBest) {
    const bool has_file = access(kOwnChildrenFile, F_OK) == 0;
    from = has_file ? ChildrenFrom::kChildrenFile : ChildrenFrom::kStat;
  }
  // Were it ignored, the kernel would reap children by itself, and their numbers were not ours.
  struct sigaction before;
  struct sigaction plain = {};
  plain.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &plain, &before);
  const Result<void> result = Descendants(from).end();
  sigaction(SIGCHLD, &before, nullptr);
  return result;
}

}  // namespace warren
