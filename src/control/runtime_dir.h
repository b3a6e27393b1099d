// The directory where running containers meet those who ask after them: one socket and one lock
// file for each, no daemon.
#pragma once

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren::control {

// A container's name while it runs: the lock that makes it unique and the socket that it is reached
// by. Both files go away with this object; when the process is killed instead, the kernel drops the
// lock and the next user of the directory removes the files. Owned by the supervisor. Not
// thread-safe.
class ContainerSocket {
 public:
  ContainerSocket() = default;
  ContainerSocket(ContainerSocket&&) noexcept = default;
  ContainerSocket& operator=(ContainerSocket&&) noexcept;
  ~ContainerSocket();

  const std::string& name() const { return name_; }
  const std::string& path() const { return path_; }  // of the socket, absolute
  int listener() const { return listener_.get(); }   // listening, non-blocking, close-on-exec
  bool ok() const { return listener_.ok(); }

  // Removes the files and gives the name free, as the destructor does.
  void remove();

 private:
  friend class RuntimeDir;
  std::string name_;
  std::string path_;
  UniqueFd directory_;
  UniqueFd lock_;
  UniqueFd listener_;
};

// A directory of the user's own: mode 0700, owned by him, not a symbolic link. Commands that change
// it hold its lock while they do, so that no two ever see it half changed. Thread-safe.
class RuntimeDir {
 public:
  // Where to look, the preferred one first: $WARREN_RUNTIME_DIR alone if set; else
  // $XDG_RUNTIME_DIR/warren and /tmp/warren-UID.
  static std::vector<std::string> candidates();

  // Opens (and makes, if `create`) the first candidate that can be used, and says in `tried` which
  // one failed if none can. Errors: EPERM wrong owner or mode; ELOOP or ENOTDIR not a directory;
  // ENOENT none there; those of mkdir(2).
  static Result<RuntimeDir> open_first(bool create, std::string* tried);
  static Result<RuntimeDir> open_at(const std::string& path, bool create);

  const std::string& path() const { return path_; }

  // Takes `name` and listens. EEXIST: a running container has it. EINVAL: not a valid name.
  Result<ContainerSocket> claim(const std::string& name) const;

  // Names of the running containers, sorted; removes what dead ones left behind.
  Result<std::vector<std::string>> list() const;

  // Path of the socket of `name`, whether or not there is one.
  std::string socket_path(const std::string& name) const;

 private:
  std::string path_;
  UniqueFd directory_;
};

// Connects to a container's socket; a path longer than sockaddr_un holds is reached through its
// directory. Blocking, close-on-exec. Errors: those of connect(2).
Result<UniqueFd> connect_socket(const std::string& path);

}  // namespace warren::control
