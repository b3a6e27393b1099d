// The commands' side of the control socket.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "control/container_view.h"
#include "control/control_handler.h"
#include "control/framing.h"
#include "warren/result.h"

namespace warren::control {

// An error that the supervisor answered, or that befell the connection.
struct Refusal {
  int error = 0;     // errno
  std::string what;  // "namespace", "task", "program", "group", "mount", "request", "peer"; empty:
                     // the connection
};

// A process to start; descriptors stay the caller's, -1 is "closed".
struct ExecCommand {
  std::string ns;  // selector
  std::string program;
  std::vector<std::string> argv, env;
  std::string cwd;
  mode_t umask = 022;
  bool tty = false;
  std::array<int, 3> stdio = {0, 1, 2};
};

// One connection to one container. Calls block. Not thread-safe.
class Client {
 public:
  // Errors: ENOENT or ECONNREFUSED no such container runs; those of connect(2).
  static Result<Client> connect(const std::string& socket_path);

  Result<ContainerInfo> info(Refusal* refusal);
  Result<void> kill(const std::string& ns, int nr, int signal, Refusal* refusal);

  // EINVAL besides the supervisor's errors: a NUL in a path or file name.
  Result<GroupReply> group(const GroupRequest& request, Refusal* refusal);

  // Once for each connection. Its end comes through wait_end().
  Result<ExecStarted> exec(const ExecCommand& command, Refusal* refusal);
  Result<void> signal_exec(int signal);

  // Reads what the supervisor has sent, without waiting; call it once after exec(), and whenever
  // socket() is readable. nullopt: not ended yet. ECONNRESET: the supervisor is gone.
  Result<std::optional<ExecEnd>> receive_end();
  int socket() const { return socket_.get(); }

 private:
  explicit Client(UniqueFd socket) : socket_(std::move(socket)), reader_(kMaxReply) {}
  Result<Message> ask(const nlohmann::json& body, std::string_view blob,
                      const std::vector<int>& fds, Refusal* refusal);
  Result<std::optional<ExecEnd>> next_end();

  UniqueFd socket_;
  MessageReader reader_;
};

}  // namespace warren::control
