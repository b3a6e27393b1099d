// One client of the server, and what its requests mean.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "control/control_handler.h"
#include "control/framing.h"

namespace warren::control {

// Ends of exec'd processes on their way from the thread that sees them to the server's. Kept alive
// by the callbacks, so it may outlive the server. Thread-safe.
class EndMailbox {
 public:
  static Result<std::shared_ptr<EndMailbox>> create();

  int event() const { return event_.get(); }  // an eventfd, readable when there is something
  void wake();
  void post(uint64_t connection, ExecEnd end);
  std::vector<std::pair<uint64_t, ExecEnd>> take();

 private:
  UniqueFd event_;
  std::mutex mutex_;
  std::vector<std::pair<uint64_t, ExecEnd>> ends_;  // guarded by mutex_
};

// Reads requests, calls the handler, buffers replies: nothing here blocks on the client. Used by
// the server's thread only.
class Connection {
 public:
  Connection(uint64_t id, UniqueFd socket, Peer peer, ControlHandler& handler,
             std::shared_ptr<EndMailbox> mailbox)
      : id_(id),
        socket_(std::move(socket)),
        peer_(peer),
        handler_(handler),
        mailbox_(std::move(mailbox)),
        reader_(kMaxRequest) {}

  uint64_t id() const { return id_; }
  int socket() const { return socket_.get(); }
  bool wants_write() const { return !out_.empty(); }

  // Both return false when the connection is over.
  bool on_readable();
  bool on_writable();

  // The process that this connection started has ended.
  void on_end(const ExecEnd& end);

 private:
  void handle(Message message);
  void do_info();
  void do_exec(Message message);
  void do_kill(const Message& message);
  void do_signal(const Message& message);

  // The view that this peer may have; the namespace that its selector means there.
  Result<ContainerInfo> view();
  Result<uint64_t> select(const Message& message);

  void reply(const nlohmann::json& body) { out_ += encode_message(body); }
  void reply_error(Errno error, const char* what);

  const uint64_t id_;
  const UniqueFd socket_;
  const Peer peer_;
  ControlHandler& handler_;
  const std::shared_ptr<EndMailbox> mailbox_;
  MessageReader reader_;
  std::string out_;
  uint64_t exec_id_ = 0;  // 0: nothing running
  bool exec_asked_ = false;
};

}  // namespace warren::control
