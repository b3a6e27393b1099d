#include "control/server.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "control/connection.h"

namespace warren::control {
namespace {

constexpr size_t kMaxConnections = 256;
constexpr std::chrono::milliseconds kFlushTime(1000);  // for clients that do not read, at the end

bool process_runs(pid_t pid) {
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return errno == ENOSYS;
  pollfd ended{fd.get(), POLLIN, 0};
  return poll(&ended, 1, 0) == 0;
}

// A number in /proc/PID/status (proc(5)); -1 if it is not there.
long status_number(pid_t pid, std::string_view field) {
  UniqueFd fd(open(("/proc/" + std::to_string(pid) + "/status").c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  ssize_t size = fd ? read(fd.get(), buffer, sizeof buffer - 1) : 0;
  std::string text(buffer, static_cast<size_t>(size > 0 ? size : 0));
  size_t at = text.find("\n" + std::string(field) + ":\t");
  return at == std::string::npos ? -1 : std::atol(text.c_str() + at + field.size() + 3);
}

// Whether the process may be the guest of another container: traced, or under a seccomp filter more
// than we are. Nothing tells whose filter it is, so other sandboxes are kept out, too.
bool may_be_guest(pid_t pid) {
  return status_number(pid, "TracerPid") != 0 ||
         status_number(pid, "Seccomp_filters") > status_number(getpid(), "Seccomp_filters");
}

}  // namespace

class Server::Loop {
 public:
  Loop(int listener, ControlHandler& handler, std::shared_ptr<Mailbox> mailbox)
      : listener_(listener), handler_(handler), mailbox_(std::move(mailbox)) {}

  void start() {
    thread_ = std::thread([this] { run(); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    mailbox_->wake();
    thread_.join();
  }

 private:
  void run();
  void accept_one();
  std::optional<Peer> identify(int socket);
  void deliver_mail();
  void serve(const std::vector<pollfd>& polled);
  void flush();
  std::vector<pollfd> poll_set() const;

  const int listener_;
  ControlHandler& handler_;
  const std::shared_ptr<Mailbox> mailbox_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
  // The rest belongs to the thread.
  GroupWorkers workers_;
  std::map<uint64_t, Connection> connections_;
  uint64_t next_id_ = 1;
};

std::vector<pollfd> Server::Loop::poll_set() const {
  std::vector<pollfd> set;
  set.push_back({mailbox_->event(), POLLIN, 0});
  // A full house leaves newcomers in the backlog.
  bool room = connections_.size() < kMaxConnections;
  set.push_back({room ? listener_ : -1, POLLIN, 0});
  for (const auto& [id, connection] : connections_) {
    int events = (connection.waiting() ? 0 : POLLIN) | (connection.wants_write() ? POLLOUT : 0);
    set.push_back({connection.socket(), static_cast<short>(events), 0});
  }
  return set;
}

void Server::Loop::run() {
  pthread_setname_np(pthread_self(), "warren-control");
  while (!stopping_) {
    std::vector<pollfd> polled = poll_set();
    if (poll(polled.data(), polled.size(), -1) < 0) continue;  // EINTR, ENOMEM: once more
    serve(polled);
    deliver_mail();
    if ((polled[1].revents & POLLIN) != 0) accept_one();
  }
  workers_.stop();
  deliver_mail();
  flush();
}

// `polled` was made from connections_, in its order.
void Server::Loop::serve(const std::vector<pollfd>& polled) {
  auto at = connections_.begin();
  for (size_t i = 2; i < polled.size(); ++i) {
    bool alive = true;
    if ((polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) alive = at->second.on_readable();
    if (alive && at->second.wants_write()) alive = at->second.on_writable();
    at = alive ? std::next(at) : connections_.erase(at);
  }
}

void Server::Loop::deliver_mail() {
  for (Mail& mail : mailbox_->take()) {
    auto found = connections_.find(mail.connection);
    if (found == connections_.end()) continue;
    Connection& connection = found->second;
    if (!connection.on_mail(std::move(mail)) || !connection.on_writable()) {
      connections_.erase(found);
    }
  }
}

std::optional<Peer> Server::Loop::identify(int socket) {
  ucred credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return std::nullopt;
  if (credentials.uid != geteuid() && credentials.uid != 0) return std::nullopt;
  Peer peer{credentials.uid, credentials.pid, 0, credentials.gid};
  if (auto ns = handler_.namespace_of(credentials.pid)) {
    peer.ns_inode = *ns;
    return peer;
  }
  // Not a guest of this container. One of another container's must not reach out of that; and a
  // guest of either that has died since must not pass for a process of the host, who may see
  // everything.
  if (may_be_guest(credentials.pid) || !process_runs(credentials.pid)) return std::nullopt;
  return peer;
}

void Server::Loop::accept_one() {
  UniqueFd socket(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return;
  auto peer = identify(socket.get());
  if (!peer) {
    [[maybe_unused]] auto told =
        send_all(socket.get(), encode_message({{"ok", false}, {"errno", EPERM}, {"what", "peer"}}));
    return;
  }
  uint64_t id = next_id_++;
  connections_.try_emplace(id, id, std::move(socket), *peer, handler_, workers_, mailbox_);
}

void Server::Loop::flush() {
  auto until = std::chrono::steady_clock::now() + kFlushTime;
  for (;;) {
    std::vector<pollfd> waiting;
    for (auto at = connections_.begin(); at != connections_.end();) {
      bool more = at->second.on_writable() && at->second.wants_write();
      if (more) waiting.push_back({at->second.socket(), POLLOUT, 0});
      at = more ? std::next(at) : connections_.erase(at);
    }
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (waiting.empty() || left.count() <= 0) break;
    poll(waiting.data(), waiting.size(), static_cast<int>(left.count()));
  }
  connections_.clear();
}

Server::Server(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
Server::~Server() { stop(); }
void Server::stop() { loop_->stop(); }

Result<std::unique_ptr<Server>> Server::start(int listener, ControlHandler& handler) {
  auto mailbox = Mailbox::create();
  if (!mailbox) return mailbox.error();
  auto loop = std::make_unique<Loop>(listener, handler, std::move(*mailbox));
  // Signals of the process are for the thread that owns the guests.
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int error = 0;
  try {
    loop->start();
  } catch (const std::system_error& failure) {
    error = failure.code().value();
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (error != 0) return Errno{error};
  return std::unique_ptr<Server>(new Server(std::move(loop)));
}

}  // namespace warren::control
