#include "control/connection.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "control/group_wire.h"
#include "control/ns_selector.h"
#include "control/view.h"

namespace warren::control {

Result<std::shared_ptr<Mailbox>> Mailbox::create() {
  auto mailbox = std::make_shared<Mailbox>();
  mailbox->event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!mailbox->event_) return Errno{errno};
  return mailbox;
}

void Mailbox::wake() {
  uint64_t one = 1;
  // Fails only when the counter is full, and then the event is readable anyway.
  [[maybe_unused]] ssize_t written = write(event_.get(), &one, sizeof one);
}

void Mailbox::post(Mail mail) {
  {
    std::lock_guard lock(mutex_);
    mail_.push_back(std::move(mail));
  }
  wake();
}

std::vector<Mail> Mailbox::take() {
  uint64_t count;
  [[maybe_unused]] ssize_t got = read(event_.get(), &count, sizeof count);
  std::lock_guard lock(mutex_);
  return std::exchange(mail_, {});
}

namespace {

// So long may a request of a container that ends keep its supervisor.
constexpr int kMaxGroupWait = 1000;  // milliseconds

nlohmann::json error_body(Errno error, const char* what) {
  return {{"ok", false}, {"errno", error.value}, {"what", what}};
}

std::string encode_group_result(const Result<GroupReply>& result) {
  if (!result) {
    return encode_message(
        error_body(result.error(), result.error_code() == ESRCH ? "task" : "group"));
  }
  const GroupMessage message = encode_group_reply(*result);
  return encode_message(message.body, message.blob);
}

}  // namespace

bool Connection::on_readable() {
  if (waiting_) return false;
  auto more = reader_.receive(socket_.get());
  if (!more) return more.error_code() == EAGAIN || more.error_code() == EINTR;
  if (!*more) return false;
  return handle_all();
}

bool Connection::handle_all() {
  while (!waiting_) {
    auto message = reader_.next();
    if (!message) return false;
    if (!*message) return true;
    handle(std::move(**message));
  }
  return true;
}

bool Connection::on_writable() {
  while (!out_.empty()) {
    ssize_t sent = send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    out_.erase(0, static_cast<size_t>(sent));
  }
  return true;
}

bool Connection::on_mail(Mail mail) {
  if (const auto* end = std::get_if<ExecEnd>(&mail.content)) {
    exec_id_ = 0;
    reply({{"ended", true}, {"wait_status", end->wait_status}, {"exec_errno", end->exec_errno}});
    return true;
  }
  out_ += std::get<std::string>(mail.content);
  waiting_ = false;
  return handle_all();
}

void Connection::reply_error(Errno error, const char* what) { reply(error_body(error, what)); }

void Connection::handle(Message message) try {
  std::string op = message.body.value("op", "");
  if (op == "info") return do_info();
  if (op == "exec") return do_exec(std::move(message));
  if (op == "kill") return do_kill(message);
  if (op == "signal") return do_signal(message);
  if (op == "group") return do_group(message);
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
      handler_.exec(peer_, std::move(request), [mailbox = mailbox_, id = id_](ExecEnd end) {
        mailbox->post({id, end});
      });
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

void Connection::do_group(const Message& message) {
  auto request = decode_group_request(message.body, message.blob);
  if (!request) return reply_error(request.error(), "request");
  using Op = GroupRequest::Op;
  if (peer_.ns_inode != 0) {
    // The supervisor mounts in the host's own tree of files, which is not a guest's to change.
    if (request->op == Op::kMount || request->op == Op::kUnmount) {
      return reply_error(Errno{EPERM}, "mount");
    }
    if (request->op == Op::kMoveNamespace) {
      auto seen = view();
      if (!seen || std::none_of(seen->namespaces.begin(), seen->namespaces.end(),
                                [&](auto& ns) { return ns.inode == request->inode; })) {
        return reply_error(Errno{ESRCH}, "namespace");
      }
    }
  }
  request->wait_ms = std::clamp(request->wait_ms, 0, kMaxGroupWait);
  waiting_ = workers_.submit([&handler = handler_, peer = peer_, request = std::move(*request),
                              mailbox = mailbox_, id = id_] {
    mailbox->post({id, encode_group_result(handler.group(peer, request))});
  });
  if (!waiting_) reply_error(Errno{EAGAIN}, "group");
}

}  // namespace warren::control
