#include "tracer/procfs/position.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>

namespace warren::procfs {
namespace {

constexpr ino_t kProcRootIno = 1;  // linux/proc_ns.h: PROC_ROOT_INO
constexpr std::string_view kDeleted = " (deleted)";

bool is_procfs_root(const std::string& path) {
  struct statfs fs;
  struct stat st;
  return ::statfs(path.c_str(), &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
         ::stat(path.c_str(), &st) == 0 && st.st_ino == kProcRootIno;
}

// The part of a path text behind the root of its procfs mount.
std::string_view below_mount(std::string_view text) {
  if (text == kProc) return {};
  if (text.starts_with("/proc/")) return text.substr(kProc.size() + 1);
  for (size_t end = text.find('/', 1);; end = text.find('/', end + 1)) {
    const std::string_view prefix = text.substr(0, end);
    if (is_procfs_root(std::string(prefix)))
      return end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (end == std::string_view::npos) break;
  }
  // A mount that the supervisor does not see at that place: a process's number begins the part.
  for (size_t at = text.find('/'); at != std::string_view::npos; at = text.find('/', at + 1)) {
    const std::string_view rest = text.substr(at + 1);
    if (Position::is_number(rest.substr(0, rest.find('/')))) return rest;
  }
  return {};
}

}  // namespace

bool Position::is_number(std::string_view name) {
  return !name.empty() && (name.front() != '0' || name.size() == 1) &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

int Position::parse_number(std::string_view name) {
  int value = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
  return error == std::errc() && end == name.data() + name.size() ? value : 0;
}

Result<Position> Position::of_descriptor(int fd) {
  struct statfs fs;
  if (::fstatfs(fd, &fs) != 0) return Errno{errno};
  if (fs.f_type != PROC_SUPER_MAGIC) return Errno{ENOENT};
  struct stat st;
  if (::fstat(fd, &st) != 0) return Errno{errno};
  Position position;
  if (st.st_ino == kProcRootIno) return position;
  char buffer[PATH_MAX];
  const std::string link = fmt::format("/proc/self/fd/{}", fd);
  const ssize_t size = ::readlink(link.c_str(), buffer, sizeof buffer);
  if (size < 0) return Errno{errno};
  std::string_view text(buffer, static_cast<size_t>(size));
  if (text.ends_with(kDeleted)) {
    text.remove_suffix(kDeleted.size());
    position.gone_ = true;
  }
  // Not every directory of a process that is gone says so by its name, but nothing is found in it.
  struct stat self;
  if (S_ISDIR(st.st_mode) && ::fstatat(fd, ".", &self, 0) != 0 &&
      (errno == ESRCH || errno == ENOENT))
    position.gone_ = true;
  std::string_view rest = below_mount(text);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('/'), rest.size());
    if (end > 0) position.push(std::string(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return position;
}

void Position::pop() {
  parts_.pop_back();
  if (parts_.empty()) gone_ = false;
}

bool Position::takes_numbers() const {
  return parts_.empty() || (parts_.size() == 2 && is_number(parts_.front()) && parts_[1] == "task");
}

std::string Position::host_path() const {
  std::string path(kProc);
  for (const std::string& part : parts_) path += '/' + part;
  return path;
}

ResolvedPath Position::classify(const ProcView& view) const {
  ResolvedPath out;
  const auto join = [this](size_t from) {
    std::string name;
    for (size_t i = from; i < parts_.size(); ++i) name += (i > from ? "/" : "") + parts_[i];
    return name;
  };
  if (parts_.empty()) {
    out.kind = Kind::kRoot;
    return out;
  }
  if (!is_number(parts_.front())) {
    out.name = join(0);
    out.kind = out.name == "self"          ? Kind::kSelf
               : out.name == "thread-self" ? Kind::kThreadSelf
                                           : Kind::kRootFile;
    return out;
  }
  out.host_tgid = out.host_tid = host_tgid();
  size_t at = 1;
  if (parts_.size() > 1 && parts_[1] == "task") {
    if (parts_.size() == 2) {
      out.kind = Kind::kTaskDir;
      return out;
    }
    out.host_tid = parse_number(parts_[2]);
    out.in_task = true;
    at = 3;
  }
  out.name = join(at);
  if (parts_.size() == at) {
    out.kind = out.in_task ? Kind::kTidDir : Kind::kPidDir;
    return out;
  }
  const std::string& first = parts_[at];
  out.kind = Kind::kPidFile;
  if (parts_.size() == at + 1) {
    if (first == "fd") out.kind = Kind::kFdDir;
    if (first == "ns") out.kind = Kind::kNsDir;
    if (first == "cwd" || first == "exe" || first == "root") out.kind = Kind::kMagicLink;
    if (first == "warren" && out.host_tgid == view.self_tgid_host()) out.kind = Kind::kWarren;
  } else if (parts_.size() == at + 2) {
    const std::string& second = parts_[at + 1];
    if (first == "ns") {
      out.kind = Kind::kNsLink;
      out.name = second;
    }
    if (first == "map_files") out.kind = Kind::kMagicLink;
    if ((first == "fd" || first == "fdinfo") && is_number(second)) {
      out.kind = first == "fd" ? Kind::kFdLink : Kind::kFdinfoFile;
      out.fd = parse_number(second);
    }
  }
  return out;
}

Result<int> process_of_directory(int fd) {
  const auto position = Position::of_descriptor(fd);
  if (!position || position->size() != 1 || position->host_tgid() == 0) return Errno{EBADF};
  if (position->gone()) return Errno{ESRCH};
  return position->host_tgid();
}

}  // namespace warren::procfs
