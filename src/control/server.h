// The supervisor's side of the control socket.
#pragma once

#include <memory>

#include "base/unique_fd.h"
#include "control/control_handler.h"
#include "warren/result.h"

namespace warren::control {

// Serves one container's socket from one thread of its own, so that the thread that owns the guests
// is disturbed only by what a request needs. Peers of other users are turned away (root excepted),
// and so are traced processes that are no guests of this container's: they may be another's. A
// guest sees and reaches its own namespace and what is below it, no more. Create, destroy and
// stop() from one thread.
class Server {
 public:
  // Starts to serve `listener` (listening, non-blocking; not owned, must outlive the server).
  // `handler` is called until stop() returns. The thread blocks all signals. Errors: EMFILE,
  // ENOMEM, EAGAIN.
  static Result<std::unique_ptr<Server>> start(int listener, ControlHandler& handler);

  // As stop().
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Delivers the ends of processes reported so far, then closes all connections and joins the
  // thread. Callbacks given to ControlHandler::exec() may be called afterwards; they then do
  // nothing.
  void stop();

 private:
  class Loop;
  explicit Server(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace warren::control
