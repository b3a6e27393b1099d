#include "groupfs/fusermount.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace warren::groupfs {

namespace {

constexpr char kProgram[] = "fusermount3";
constexpr char kChannelVariable[] = "_FUSE_COMMFD";  // as libfuse names it
constexpr int kChannelFd = 3;                        // in the new process

// The descriptor that comes over the socket; none at its end.
UniqueFd receive_descriptor(int socket) {
  char byte;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size;
  do {
    size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size <= 0) return UniqueFd();
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return UniqueFd();
  int fd;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

std::string read_all(int fd) {
  std::string text;
  char part[1024];
  while (true) {
    const ssize_t size = read(fd, part, sizeof part);
    if (size > 0) {
      text.append(part, static_cast<std::size_t>(size));
    } else if (size == 0 || errno != EINTR) {
      return text;
    }
  }
}

// Its first line, without the program's name.
std::string message_in(std::string text) {
  text.erase(std::min(text.find('\n'), text.size()));
  const std::size_t colon = text.find(": ");
  if (colon != text.npos && text.find("fusermount") < colon) text.erase(0, colon + 2);
  return text;
}

// Owns what posix_spawn(3) is told about the new process.
class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    // Signals of the terminal are not for it; and the supervisor's mask blocks everything.
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  posix_spawn_file_actions_t* actions() { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Starts it with `channel` as descriptor 3 and its standard error going to `errors`.
Result<pid_t> spawn(const std::vector<std::string>& arguments, int channel, int errors) {
  std::vector<char*> argv{const_cast<char*>(kProgram)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::string variable = std::string(kChannelVariable) + "=" + std::to_string(kChannelFd);
  std::vector<char*> environment{variable.data()};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(kChannelVariable)) environment.push_back(*entry);
  }
  environment.push_back(nullptr);

  SpawnSettings settings;
  auto* actions = settings.actions();
  posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(actions, errors, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(actions, channel, kChannelFd);
  pid_t pid = 0;
  const int error =
      posix_spawnp(&pid, kProgram, actions, settings.attributes(), argv.data(), environment.data());
  if (error == ENOENT || error == ENOTDIR) return Errno{ENOPKG};
  if (error != 0) return Errno{error};
  return pid;
}

// A descriptor above those that the new process gets anew.
UniqueFd moved_up(UniqueFd fd) {
  if (fd.get() > kChannelFd) return fd;
  return UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, kChannelFd + 1));
}

}  // namespace

Result<Fusermount> fusermount(const std::vector<std::string>& arguments, bool mounting) {
  int pair[2], errors[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return Errno{errno};
  UniqueFd ours(pair[0]);
  UniqueFd theirs = moved_up(UniqueFd(pair[1]));
  if (pipe2(errors, O_CLOEXEC) != 0) return Errno{errno};
  const UniqueFd error_reader(errors[0]);
  UniqueFd error_writer = moved_up(UniqueFd(errors[1]));
  if (!theirs || !error_writer) return Errno{EMFILE};

  auto pid = spawn(arguments, theirs.get(), error_writer.get());
  if (!pid) return pid.error();
  theirs.reset();
  error_writer.reset();

  Fusermount result;
  if (mounting) result.device = receive_descriptor(ours.get());
  if (result.device) {
    result.channel = std::move(ours);
    result.pid = *pid;
    return result;
  }
  result.message = message_in(read_all(error_reader.get()));
  // Somebody else may wait for all children of this process: then there is no status to be had, so
  // what it said has to do.
  int status = 0;
  const bool known = waitpid(*pid, &status, 0) == *pid;
  const bool succeeded = known && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (succeeded && !mounting) result.message.clear();
  if (result.message.empty() && (mounting || (known && !succeeded))) {
    result.message = "fusermount3 failed without a word";
  }
  return result;
}

int errno_in(std::string_view message) {
  if (message.find(" not found in ") != message.npos) return EINVAL;  // nothing mounted there
  for (const int error : {EPERM, ENOENT, EACCES, EBUSY, ENODEV, ENOTDIR, EINVAL, ELOOP, ENOMEM,
                          ENAMETOOLONG, EMFILE, ENFILE, EROFS, EIO}) {
    if (message.ends_with(std::strerror(error))) return error;
  }
  return EPERM;
}

}  // namespace warren::groupfs
