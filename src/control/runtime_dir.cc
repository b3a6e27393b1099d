#include "control/runtime_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "control/container_name.h"

namespace warren::control {
namespace {

constexpr char kSocketSuffix[] = ".sock";
constexpr char kLockSuffix[] = ".lock";
constexpr char kDirectoryLock[] = ".lock";  // no container's: names do not begin with a dot
constexpr int kBacklog = 64;

Result<UniqueFd> open_lock(int directory, const std::string& file, int operation) {
  UniqueFd lock(openat(directory, file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return Errno{errno};
  while (flock(lock.get(), operation) < 0) {
    if (errno != EINTR) return Errno{errno};
  }
  return lock;
}

// The address of `path`, by way of a descriptor of its directory where it is too long. The
// descriptor must stay open while the address is used.
Result<sockaddr_un> socket_address(const std::string& path, UniqueFd& directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string text = path;
  if (text.size() >= sizeof address.sun_path) {
    size_t slash = path.rfind('/');
    directory.reset(open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return Errno{errno};
    text = "/proc/self/fd/" + std::to_string(directory.get()) + path.substr(slash);
  }
  if (text.size() >= sizeof address.sun_path) return Errno{ENAMETOOLONG};
  memcpy(address.sun_path, text.c_str(), text.size() + 1);
  return address;
}

Result<UniqueFd> listen_at(const std::string& path) {
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return Errno{errno};
  UniqueFd directory;
  auto address = socket_address(path, directory);
  if (!address) return address.error();
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&*address), sizeof *address) < 0 ||
      chmod(address->sun_path, 0600) < 0 || listen(listener.get(), kBacklog) < 0) {
    return Errno{errno};
  }
  return listener;
}

// Under the directory's lock: whether the container runs; if it does not, its lock.
Result<std::optional<UniqueFd>> lock_if_dead(int directory, const std::string& name) {
  auto lock = open_lock(directory, name + kLockSuffix, LOCK_EX | LOCK_NB);
  if (lock) return std::optional<UniqueFd>(std::move(*lock));
  if (lock.error_code() == EWOULDBLOCK) return std::optional<UniqueFd>();
  return lock.error();
}

void remove_files(int directory, const std::string& name) {
  unlinkat(directory, (name + kSocketSuffix).c_str(), 0);
  unlinkat(directory, (name + kLockSuffix).c_str(), 0);
}

}  // namespace

ContainerSocket& ContainerSocket::operator=(ContainerSocket&& other) noexcept {
  if (this == &other) return *this;
  remove();
  name_ = std::move(other.name_);
  path_ = std::move(other.path_);
  directory_ = std::move(other.directory_);
  lock_ = std::move(other.lock_);
  listener_ = std::move(other.listener_);
  return *this;
}

ContainerSocket::~ContainerSocket() { remove(); }

void ContainerSocket::remove() {
  if (!lock_) return;
  // Even without the directory's lock (out of descriptors, say) the files are ours to remove.
  auto directory_lock = open_lock(directory_.get(), kDirectoryLock, LOCK_EX);
  remove_files(directory_.get(), name_);
  listener_.reset();
  lock_.reset();
}

std::vector<std::string> RuntimeDir::candidates() {
  const char* own = getenv("WARREN_RUNTIME_DIR");
  if (own != nullptr && *own != '\0') return {own};
  std::vector<std::string> paths;
  const char* xdg = getenv("XDG_RUNTIME_DIR");
  if (xdg != nullptr && *xdg == '/') paths.push_back(std::string(xdg) + "/warren");
  paths.push_back("/tmp/warren-" + std::to_string(geteuid()));
  return paths;
}

Result<RuntimeDir> RuntimeDir::open_at(const std::string& path, bool create) {
  if (create && mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) return Errno{errno};
  RuntimeDir dir;
  dir.path_ = path;
  dir.directory_.reset(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!dir.directory_) return Errno{errno};
  struct stat info;
  if (fstat(dir.directory_.get(), &info) < 0) return Errno{errno};
  if (info.st_uid != geteuid() || (info.st_mode & 077) != 0) return Errno{EPERM};
  return dir;
}

Result<RuntimeDir> RuntimeDir::open_first(bool create, std::string* tried) {
  int error = ENOENT;
  for (const std::string& path : candidates()) {
    auto dir = open_at(path, create);
    if (dir) return dir;
    error = dir.error_code();
    if (tried != nullptr) *tried = path;
  }
  return Errno{error};
}

std::string RuntimeDir::socket_path(const std::string& name) const {
  return path_ + "/" + name + kSocketSuffix;
}

Result<ContainerSocket> RuntimeDir::claim(const std::string& name) const {
  if (!valid_container_name(name)) return Errno{EINVAL};
  auto directory_lock = open_lock(directory_.get(), kDirectoryLock, LOCK_EX);
  if (!directory_lock) return directory_lock.error();
  auto lock = lock_if_dead(directory_.get(), name);
  if (!lock) return lock.error();
  if (!*lock) return Errno{EEXIST};

  ContainerSocket socket;
  socket.name_ = name;
  socket.path_ = socket_path(name);
  unlinkat(directory_.get(), (name + kSocketSuffix).c_str(), 0);
  auto listener = listen_at(socket.path_);
  if (!listener) {
    remove_files(directory_.get(), name);
    return listener.error();
  }
  socket.directory_.reset(fcntl(directory_.get(), F_DUPFD_CLOEXEC, 0));
  if (!socket.directory_) {
    int error = errno;
    remove_files(directory_.get(), name);
    return Errno{error};
  }
  socket.lock_ = std::move(**lock);
  socket.listener_ = std::move(*listener);
  return socket;
}

Result<std::vector<std::string>> RuntimeDir::list() const {
  auto directory_lock = open_lock(directory_.get(), kDirectoryLock, LOCK_EX);
  if (!directory_lock) return directory_lock.error();
  // A description of its own: reading a directory moves the offset that duplicates share.
  UniqueFd own(openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return Errno{errno};
  std::unique_ptr<DIR, int (*)(DIR*)> reader(fdopendir(own.get()), closedir);
  if (!reader) return Errno{errno};
  own.release();
  std::vector<std::string> found, names;
  while (const dirent* entry = readdir(reader.get())) {
    std::string file = entry->d_name;
    if (!file.ends_with(kLockSuffix)) continue;
    file.resize(file.size() - strlen(kLockSuffix));
    if (valid_container_name(file)) found.push_back(file);
  }
  for (const std::string& name : found) {
    auto dead = lock_if_dead(directory_.get(), name);
    if (!dead) continue;
    if (*dead) {
      remove_files(directory_.get(), name);
    } else {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<UniqueFd> connect_socket(const std::string& path) {
  UniqueFd directory;
  auto address = socket_address(path, directory);
  if (!address) return address.error();
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Errno{errno};
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&*address), sizeof *address) < 0) {
    return Errno{errno};
  }
  return fd;
}

}  // namespace warren::control
