#include "control/connection.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/ns_selector.h"
#include "control/view.h"

namespace warren::control {

Result<std::shared_ptr<EndMailbox>> EndMailbox::create() {
  auto mailbox = std::make_shared<EndMailbox>();
  mailbox->event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!mailbox->event_) return Errno{errno};
  return mailbox;
}

void EndMailbox::wake() {
  uint64_t one = 1;
  // Fails only when the counter is full, and then the event is readable anyway.
  [[maybe_unused]] ssize_t written = write(event_.get(), &one, sizeof one);
}

void EndMailbox::post(uint64_t connection, ExecEnd end) {
  {
    std::lock_guard lock(mutex_);
    ends_.emplace_back(connection, end);
  }
  wake();
}

std::vector<std::pair<uint64_t, ExecEnd>> EndMailbox::take() {
  uint64_t count;
  [[maybe_unused]] ssize_t got = read(event_.get(), &count, sizeof count);
  std::lock_guard lock(mutex_);
  return std::exchange(ends_, {});
}

bool Connection::on_readable() {
  auto more = reader_.receive(socket_.get());
  if (!more) return more.error_code() == EAGAIN || more.error_code() == EINTR;
  if (!*more) return false;
  for (;;) {
    auto message = reader_.next();
    if (!message) return false;
    if (!*message) return true;
    handle(std::move(**message));
  }
}

bool Connection::on_writable() {
  while (!out_.empty()) {
    ssize_t sent = send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    out_.erase(0, static_cast<size_t>(sent));
  }
  return true;
}

void Connection::on_end(const ExecEnd& end) {
  exec_id_ = 0;
  reply({{"ended", true}, {"wait_status", end.wait_status}, {"exec_errno", end.exec_errno}});
}

void Connection::reply_error(Errno error, const char* what) {
  reply({{"ok", false}, {"errno", error.value}, {"what", what}});
}

void Connection::handle(Message message) try {
  std::string op = message.body.value("op", "");
  if (op == "info") return do_info();
  if (op == "exec") return do_exec(std::move(message));
  if (op == "kill") return do_kill(message);
  if (op == "signal") return do_signal(message);
  reply_error(Errno{EOPNOTSUPP}, "request");
} catch (const nlohmann::json::exception&) {
  reply_error(Errno{EPROTO}, "request");
}

Result<ContainerInfo> Connection::view() {
  ContainerInfo whole = handler_.info();
  if (peer_.ns_inode == 0) return whole;
  return restrict_view(whole, peer_.ns_inode);
}

Result<uint64_t> Connection::select(const Message& message) {
  auto seen = view();
  if (!seen) return seen.error();
  return resolve_selector(*seen, message.body.value("ns", ""));
}

void Connection::do_info() {
  // The host's /proc is read with level 0 numbers, so before the view is cut.
  ContainerInfo whole = handler_.info();
  fill_from_proc(whole);
  if (peer_.ns_inode == 0) return reply({{"ok", true}, {"container", to_json(whole)}});
  auto cut = restrict_view(whole, peer_.ns_inode);
  if (!cut) return reply_error(cut.error(), "namespace");
  reply({{"ok", true}, {"container", to_json(*cut)}});
}

void Connection::do_exec(Message message) {
  if (exec_asked_) return reply_error(Errno{EBUSY}, "request");
  auto inode = select(message);
  if (!inode) return reply_error(inode.error(), "namespace");
  auto strings = unpack_strings(message.blob);
  size_t argc = message.body.at("argc").get<size_t>();
  if (!strings || argc == 0 || argc > strings->size() || strings->size() - argc < 2) {
    return reply_error(Errno{EPROTO}, "request");
  }
  ExecRequest request;
  request.ns_inode = *inode;
  request.program = std::move((*strings)[0]);
  request.cwd = std::move((*strings)[1]);
  auto arguments = strings->begin() + 2;
  auto environment = arguments + static_cast<ptrdiff_t>(argc);
  request.argv.assign(arguments, environment);
  request.env.assign(environment, strings->end());
  request.umask = message.body.at("umask").get<mode_t>() & 0777;
  request.tty = message.body.at("tty").get<bool>();
  // Which of the three the descriptors are: the client's own may be closed.
  auto which = message.body.at("stdio").get<std::vector<size_t>>();
  if (which.size() != message.fds.size()) return reply_error(Errno{EPROTO}, "request");
  for (size_t i = 0; i < which.size(); ++i) {
    if (which[i] > 2) return reply_error(Errno{EPROTO}, "request");
    request.stdio[which[i]] = std::move(message.fds[i]);
  }
  exec_asked_ = true;
  auto started =
      handler_.exec(peer_, std::move(request),
                    [mailbox = mailbox_, id = id_](ExecEnd end) { mailbox->post(id, end); });
  if (!started) {
    exec_asked_ = false;
    return reply_error(started.error(), started.error_code() == ESRCH ? "namespace" : "program");
  }
  exec_id_ = started->id;
  // A guest must not learn level 0 numbers.
  int level0 = peer_.ns_inode == 0 ? started->level0 : 0;
  reply({{"ok", true}, {"level0", level0}, {"nr", started->nr}});
}

void Connection::do_kill(const Message& message) {
  auto inode = select(message);
  if (!inode) return reply_error(inode.error(), "namespace");
  KillRequest request{*inode, message.body.at("nr").get<int>(),
                      message.body.at("signal").get<int>()};
  if (request.nr < 0) return reply_error(Errno{EINVAL}, "task");
  auto killed = handler_.kill(peer_, request);
  if (!killed) return reply_error(killed.error(), request.nr == 0 ? "namespace" : "task");
  reply({{"ok", true}});
}

void Connection::do_signal(const Message& message) {
  // No reply: the process may have ended already, and then its end is on its way.
  if (exec_id_ == 0) return;
  [[maybe_unused]] auto sent = handler_.signal_exec(exec_id_, message.body.at("signal").get<int>());
}

}  // namespace warren::control
