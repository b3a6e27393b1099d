#include "tracer/procfs/path.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <utility>

#include "inject/path_text.h"
#include "tracer/procfs/position.h"

namespace warren::procfs {
namespace {

constexpr int kMaxLinks = 40;  // path_resolution(7)

struct ObjectId {
  dev_t dev = 0;
  ino_t ino = 0;
  uint64_t mount = 0;
  friend bool operator==(const ObjectId&, const ObjectId&) = default;
};

bool identify(int fd, const char* path, int flags, ObjectId* out) {
  struct statx stx;
  if (::statx(fd, path, flags, STATX_INO | STATX_MNT_ID, &stx) != 0) return false;
  out->dev = (static_cast<dev_t>(stx.stx_dev_major) << 32) | stx.stx_dev_minor;
  out->ino = stx.stx_ino;
  out->mount = stx.stx_mnt_id;
  return true;
}

bool on_procfs(int fd) {
  struct statfs fs;
  return ::fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

// One walk. Its place is either outside procfs, a directory held open, or inside, a Position, which
// needs no system calls for the parts that the table in position.cc knows.
class Walker {
 public:
  Walker(const Base& base, const ResolveOptions& options, const ProcView& view)
      : base_(base), options_(options), view_(view) {}

  ResolvedPath walk(std::string_view path);

 private:
  // Each step returns 0, an errno, or kDone when the answer is known before the path's end.
  static constexpr int kDone = -1;

  int start(std::string_view path);
  int start_at_base();
  int go_to_root();
  int step(std::string_view name, bool last);
  int step_outside(const std::string& name, bool last);
  int parent_outside();
  bool at_scope();
  int step_inside(const std::string& name, bool last);
  int parent_inside();
  int step_number(const std::string& name);
  int step_other(const std::string& name, bool last);
  int error_behind_namespace() const;
  int follow_magic_link(bool last);
  int arrive(UniqueFd fd, bool may_be_file);
  int enter(int fd);
  int push_link(std::string_view target);
  int count_link();
  bool at_root(int fd);
  bool shares_root();
  bool follows(bool last) const { return !last || options_.follow_last || trailing_slash_; }
  ResolvedPath finish(int error);

  const Base base_;
  const ResolveOptions options_;
  const ProcView& view_;
  std::string rest_;  // what is still to be walked
  bool trailing_slash_ = false;
  bool ends_in_dot_ = false;
  mode_t last_type_ = 0;  // inside: of the last place, if it was looked at
  bool native_ = true;
  int links_ = 0;
  int depth_ = 0;  // below the base; what RESOLVE_BENEATH and RESOLVE_IN_ROOT must not leave

  bool met_proc_ = false;
  bool inside_ = false;
  Position position_;   // inside
  UniqueFd proc_root_;  // inside: the root of that mount, when it was passed
  UniqueFd dir_;        // outside; none: the guest's root, not yet opened
  dev_t dev_ = 0;       // outside: device of dir_
  std::string text_;    // outside: a path to dir_, for supervisor and guest
  std::string anchor_;  // outside: the link that text_ begins with
};

ResolvedPath Walker::walk(std::string_view path) {
  if (path.size() >= PATH_MAX) return finish(ENAMETOOLONG);
  if (path.empty() && !options_.empty_path) return finish(ENOENT);
  if (const int error = start(path)) return finish(error);
  while (!rest_.empty()) {
    const size_t first = rest_.find_first_not_of('/');
    if (first == std::string::npos) {
      trailing_slash_ = true;
      break;
    }
    const size_t end = std::min(rest_.find('/', first), rest_.size());
    const std::string name = rest_.substr(first, end - first);
    rest_.erase(0, end);
    const bool last = rest_.find_first_not_of('/') == std::string::npos;
    if (last && !rest_.empty()) trailing_slash_ = true;
    if (rest_.size() > PATH_MAX) return finish(ENAMETOOLONG);
    if (const int error = step(name, last)) return finish(error);
  }
  return finish(0);
}

int Walker::start(std::string_view path) {
  rest_ = path;
  return path.starts_with('/') ? go_to_root() : start_at_base();
}

int Walker::start_at_base() {
  text_ = base_.dirfd == AT_FDCWD ? fmt::format("/proc/{}/cwd", base_.host_tid)
                                  : fmt::format("/proc/{}/fd/{}", base_.host_tid, base_.dirfd);
  anchor_ = text_;
  UniqueFd fd(::open(text_.c_str(), O_PATH | O_CLOEXEC));
  // Whatever is wrong with the base, the kernel itself says it best (EBADF, or a process that may
  // not be looked into).
  if (!fd.ok()) return kDone;
  return arrive(std::move(fd), rest_.empty());
}

bool Walker::shares_root() {
  static const ObjectId own = [] {
    ObjectId id;
    identify(AT_FDCWD, "/", 0, &id);
    return id;
  }();
  ObjectId theirs;
  const std::string root = fmt::format("/proc/{}/root", base_.host_tid);
  // A process that may not be looked into has not changed its root as far as anyone can tell.
  return !identify(AT_FDCWD, root.c_str(), 0, &theirs) || theirs == own;
}

int Walker::go_to_root() {
  if ((options_.resolve & RESOLVE_BENEATH) != 0) return EXDEV;
  depth_ = 0;
  if ((options_.resolve & RESOLVE_IN_ROOT) != 0) return start_at_base();
  inside_ = false;
  dir_.reset();
  const bool shared = shares_root();
  anchor_ = text_ = shared ? "" : fmt::format("/proc/{}/root", base_.host_tid);
  static const bool proc_is_procfs = [] {
    struct statfs fs;
    return ::statfs("/proc", &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
  }();
  // The common case needs no directory outside procfs at all.
  if (shared && proc_is_procfs) {
    const size_t first = rest_.find_first_not_of('/');
    if (first != std::string::npos && rest_.compare(first, 4, "proc") == 0 &&
        (rest_.size() == first + 4 || rest_[first + 4] == '/')) {
      if ((options_.resolve & RESOLVE_NO_XDEV) != 0) return EXDEV;
      rest_.erase(0, first + 4);
      if (!rest_.empty() && rest_.find_first_not_of('/') == std::string::npos) {
        trailing_slash_ = true;
        rest_.clear();
      }
      inside_ = met_proc_ = true;
      position_ = Position();
      last_type_ = 0;
      proc_root_.reset();
      return 0;
    }
  }
  return arrive(UniqueFd(::open(text_.empty() ? "/" : text_.c_str(), O_PATH | O_CLOEXEC)), false);
}

// Takes `fd` as the new place, inside or outside.
int Walker::arrive(UniqueFd fd, bool may_be_file) {
  if (!fd.ok()) return errno;
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return errno;
  if (!S_ISDIR(st.st_mode) && !may_be_file) return ENOTDIR;
  if (st.st_dev != dev_ && on_procfs(fd.get())) return enter(fd.get());
  inside_ = false;
  dev_ = st.st_dev;
  dir_ = std::move(fd);
  return 0;
}

int Walker::enter(int fd) {
  met_proc_ = true;
  const auto position = Position::of_descriptor(fd);
  if (!position) return position.error_code();
  inside_ = true;
  position_ = *position;
  last_type_ = 0;
  proc_root_.reset();
  dev_ = 0;
  if (position_.empty()) proc_root_.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  return 0;
}

int Walker::step(std::string_view name, bool last) {
  if (name.size() > NAME_MAX) return ENAMETOOLONG;
  // Whatever is looked up below a process that is gone fails, ".." too; the kernel knows how.
  if (inside_ && position_.gone()) return native_ ? kDone : ESRCH;
  if (name == ".") {
    ends_in_dot_ = last;
    return 0;
  }
  if (name == "..") {
    if (at_scope()) return (options_.resolve & RESOLVE_IN_ROOT) != 0 ? 0 : EXDEV;
    --depth_;
    return inside_ ? parent_inside() : parent_outside();
  }
  ++depth_;
  return inside_ ? step_inside(std::string(name), last) : step_outside(std::string(name), last);
}

bool Walker::at_root(int fd) {
  ObjectId here, root;
  const std::string path = fmt::format("/proc/{}/root", base_.host_tid);
  return identify(fd, "", AT_EMPTY_PATH, &here) && identify(AT_FDCWD, path.c_str(), 0, &root) &&
         here == root;
}

// At the directory that RESOLVE_IN_ROOT or RESOLVE_BENEATH does not let go above.
bool Walker::at_scope() {
  if ((options_.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) == 0) return false;
  return depth_ == 0;
}

int Walker::parent_outside() {
  if (at_root(dir_.get())) return 0;
  text_ += "/..";
  UniqueFd parent(::openat(dir_.get(), "..", O_PATH | O_CLOEXEC));
  return arrive(std::move(parent), false);
}

int Walker::step_outside(const std::string& name, bool last) {
  text_ += '/' + name;
  UniqueFd fd(::openat(dir_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  // An absent name at the end may be one to create; other errors the kernel gives by itself.
  if (!fd.ok()) {
    if (native_ || last) return kDone;
    return errno;
  }
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return errno;
  if (S_ISLNK(st.st_mode) && follows(last)) {
    if (const int error = count_link()) return error;
    char target[PATH_MAX];
    const ssize_t size = ::readlinkat(fd.get(), "", target, sizeof target);
    if (size < 0) return errno;
    text_.resize(text_.size() - name.size() - 1);
    return push_link({target, static_cast<size_t>(size)});
  }
  if (S_ISDIR(st.st_mode)) {
    if (st.st_dev != dev_ && (options_.resolve & RESOLVE_NO_XDEV) != 0) return EXDEV;
    return arrive(std::move(fd), false);
  }
  return last ? kDone : ENOTDIR;
}

int Walker::count_link() {
  if ((options_.resolve & RESOLVE_NO_SYMLINKS) != 0) return ELOOP;
  return ++links_ > kMaxLinks ? ELOOP : 0;
}

int Walker::push_link(std::string_view target) {
  if (target.empty()) return ENOENT;
  rest_ = std::string(target) + rest_;
  --depth_;  // the link's own name
  return target.front() == '/' ? go_to_root() : 0;
}

int Walker::parent_inside() {
  if (!position_.empty()) {
    const std::string here = position_.host_path();
    if (::faccessat(AT_FDCWD, here.c_str(), X_OK, AT_EACCESS) != 0) return errno;
    position_.pop();
    last_type_ = 0;
    return 0;
  }
  UniqueFd root = std::move(proc_root_);
  if (!root.ok()) root.reset(::open("/proc", O_PATH | O_CLOEXEC));
  if (!root.ok()) return errno;
  if (at_root(root.get())) {
    proc_root_ = std::move(root);
    return 0;
  }
  // The parent is an ordinary directory, so the text from here on begins at it.
  UniqueFd parent(::openat(root.get(), "..", O_PATH | O_CLOEXEC));
  text_ = "/proc/..";
  return arrive(std::move(parent), false);
}

int Walker::step_inside(const std::string& name, bool last) {
  if (position_.takes_numbers() && Position::is_number(name)) return step_number(name);
  if (position_.empty() && (name == "self" || name == "thread-self")) {
    const int tgid = view_.self_tgid_host();
    // proc(5): a process that the mount's namespace does not contain has no such link.
    if (view_.to_guest(tgid) == 0) return ENOENT;
    if (!follows(last)) {
      position_.push(name);
      return 0;
    }
    if (const int error = count_link()) return error;
    position_.push(std::to_string(tgid));
    if (name == "thread-self") {
      depth_ += 2;
      position_.push("task");
      position_.push(std::to_string(view_.self_tid_host()));
    }
    return 0;
  }
  return step_other(name, last);
}

int Walker::step_number(const std::string& name) {
  const int vnr = Position::parse_number(name);
  const int host = vnr > 0 ? view_.to_host(vnr) : 0;
  native_ = false;
  if (host == 0) return ENOENT;
  // Below task/ only the process's own threads exist.
  if (!position_.empty() && view_.tgid_of(host) != view_.tgid_of(position_.host_tgid()))
    return ENOENT;
  position_.push(std::to_string(host));
  return 0;
}

int Walker::step_other(const std::string& name, bool last) {
  position_.push(name);
  switch (position_.classify(view_).kind) {
    case Kind::kTaskDir:
    case Kind::kFdDir:
    case Kind::kNsDir:
      return 0;
    case Kind::kNsLink:
      if (!follows(last)) return 0;
      if ((options_.resolve & RESOLVE_NO_MAGICLINKS) != 0) return ELOOP;
      if (const int error = count_link()) return error;
      return last ? 0 : error_behind_namespace();
    case Kind::kFdLink:
    case Kind::kMagicLink:
      return follows(last) ? follow_magic_link(last) : 0;
    case Kind::kWarren:
      return last ? 0 : ENOTDIR;
    default:
      break;
  }
  last_type_ = 0;
  if (last && position_.size() > 1) return 0;
  // A name that the table does not know: a file, a directory, or at the top perhaps a link (mounts,
  // net).
  struct stat st;
  const std::string path = position_.host_path();
  if (::fstatat(AT_FDCWD, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
    return last || native_ ? kDone : errno;
  if (S_ISLNK(st.st_mode) && follows(last)) {
    if (const int error = count_link()) return error;
    char target[PATH_MAX];
    const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
    if (size < 0) return errno;
    position_.pop();
    return push_link({target, static_cast<size_t>(size)});
  }
  last_type_ = st.st_mode & S_IFMT;
  return last || S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

// The place is a link below ns/, and there is more to walk.
int Walker::error_behind_namespace() const {
  struct stat st;
  return ::stat(position_.host_path().c_str(), &st) != 0 ? errno : ENOTDIR;
}

// The place is a link that leads to an object and not to a name.
int Walker::follow_magic_link(bool last) {
  if ((options_.resolve & RESOLVE_NO_MAGICLINKS) != 0) return ELOOP;
  if (const int error = count_link()) return error;
  const std::string path = position_.host_path();
  if (last) {
    // What is opened through the link may be a file of procfs itself, whose text then matters.
    struct statfs fs;
    if (::statfs(path.c_str(), &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC) return 0;
  }
  if ((options_.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV)) != 0) return EXDEV;
  UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd.ok()) return errno;
  anchor_ = text_ = path;
  dev_ = 0;
  return arrive(std::move(fd), last);
}

ResolvedPath Walker::finish(int error) {
  ResolvedPath out;
  if (error > 0) {
    out.error = error;
    out.native = native_;
    out.met_proc = met_proc_;
    return out;
  }
  if (inside_) {
    out = position_.classify(view_);
    out.host_path = position_.host_path();
    out.type = last_type_;
  } else {
    out.kind = Kind::kOutside;
    out.host_path = text_.empty() ? "/" : text_;
    // Whatever could not be walked, the kernel is to walk.
    if (error == kDone) out.host_path += rest_;
  }
  if (inside_ && error == kDone) out.host_path += rest_;
  if (trailing_slash_ && !out.host_path.ends_with('/')) out.host_path += '/';
  // A place that was reached through a link is not the link.
  if (ends_in_dot_ || (!inside_ && out.host_path == anchor_)) out.host_path += "/.";
  out.native = native_;
  out.met_proc = met_proc_;
  return out;
}

}  // namespace

bool ResolvedPath::is_proc_dir() const {
  switch (kind) {
    case Kind::kRoot:
    case Kind::kPidDir:
    case Kind::kTaskDir:
    case Kind::kTidDir:
    case Kind::kNsDir:
    case Kind::kFdDir:
      return true;
    default:
      return false;
  }
}

bool may_reach_proc(std::string_view path, bool tainted) {
  if (path.empty()) return tainted;
  if (tainted && path.front() != '/') return true;
  return inject::mentions_proc(path);
}

ResolvedPath resolve(const Base& base, std::string_view path, const ResolveOptions& options,
                     const ProcView& view) {
  return Walker(base, options, view).walk(path);
}

std::string translate_path_text(std::string_view text, const ProcView& view, bool always) {
  const bool ours = text.starts_with("/proc/");
  if (!ours && !always) return std::string(text);
  // The process's number is the first component below the mount.
  size_t at = kProc.size() + 1;
  const auto component = [&text](size_t from) {
    return text.substr(from, text.find('/', from) - from);
  };
  // "(deleted)" stands behind the name of a process that is gone.
  const auto number = [&component](size_t from) {
    const std::string_view name = component(from);
    return name.substr(0, name.find(' '));
  };
  if (!ours) {
    at = 1;
    while (at < text.size() && !Position::is_number(number(at))) at += component(at).size() + 1;
  }
  if (at >= text.size() || !Position::is_number(number(at))) return std::string(text);
  const auto translated = [&view](std::string_view host) {
    return std::to_string(view.to_guest(Position::parse_number(host)));
  };
  std::string out(text.substr(0, at));
  out += translated(number(at));
  at += number(at).size();
  constexpr std::string_view kTask = "/task/";
  if (text.substr(at).starts_with(kTask) && Position::is_number(number(at + kTask.size()))) {
    out += kTask;
    at += kTask.size();
    out += translated(number(at));
    at += number(at).size();
  }
  return out.append(text.substr(at));
}

}  // namespace warren::procfs
