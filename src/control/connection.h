// One client of the server, and what its requests mean.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/unique_fd.h"
#include "control/control_handler.h"
#include "control/framing.h"
#include "control/group_workers.h"

namespace warren::control {

// What other threads have for a connection: the end of the process that it started, or the bytes of
// a reply.
struct Mail {
  uint64_t connection;
  std::variant<ExecEnd, std::string> content;
};

// Mail on its way from the thread that has it to the server's. Kept alive by those who may post, so
// it may outlive the server. Thread-safe.
class Mailbox {
 public:
  static Result<std::shared_ptr<Mailbox>> create();

  int event() const { return event_.get(); }  // an eventfd, readable when there is something
  void wake();
  void post(Mail mail);
  std::vector<Mail> take();

 private:
  UniqueFd event_;
  std::mutex mutex_;
  std::vector<Mail> mail_;  // guarded by mutex_
};

// Reads requests, calls the handler, buffers replies: nothing here blocks on the client. Used by
// the server's thread only.
class Connection {
 public:
  Connection(uint64_t id, UniqueFd socket, Peer peer, ControlHandler& handler,
             GroupWorkers& workers, std::shared_ptr<Mailbox> mailbox)
      : id_(id),
        socket_(std::move(socket)),
        peer_(peer),
        handler_(handler),
        workers_(workers),
        mailbox_(std::move(mailbox)),
        reader_(kMaxRequest) {}

  uint64_t id() const { return id_; }
  int socket() const { return socket_.get(); }
  bool wants_write() const { return !out_.empty(); }
  // A worker has a request of this connection: the next is read when it has been answered, so that
  // replies keep their order.
  bool waiting() const { return waiting_; }

  // Both return false when the connection is over. A waiting one is told only of its end.
  bool on_readable();
  bool on_writable();

  // False when the connection is over.
  bool on_mail(Mail mail);

 private:
  bool handle_all();
  void handle(Message message);
  void do_info();
  void do_exec(Message message);
  void do_kill(const Message& message);
  void do_signal(const Message& message);
  void do_group(const Message& message);

  // The view that this peer may have; the namespace that its selector means there.
  Result<ContainerInfo> view();
  Result<uint64_t> select(const Message& message);

  void reply(const nlohmann::json& body) { out_ += encode_message(body); }
  void reply_error(Errno error, const char* what);

  const uint64_t id_;
  const UniqueFd socket_;
  const Peer peer_;
  ControlHandler& handler_;
  GroupWorkers& workers_;
  const std::shared_ptr<Mailbox> mailbox_;
  MessageReader reader_;
  std::string out_;
  uint64_t exec_id_ = 0;  // 0: nothing running
  bool exec_asked_ = false;
  bool waiting_ = false;
};

}  // namespace warren::control
