#include "control/client.h"

#include <sys/socket.h>

#include "control/group_wire.h"
#include "control/runtime_dir.h"
#include "control/view.h"

namespace warren::control {

Result<Client> Client::connect(const std::string& socket_path) {
  auto socket = connect_socket(socket_path);
  if (!socket) return socket.error();
  return Client(std::move(*socket));
}

Result<Message> Client::ask(const nlohmann::json& body, std::string_view blob,
                            const std::vector<int>& fds, Refusal* refusal) {
  auto fail = [&](int error, std::string what) {
    if (refusal != nullptr) *refusal = {error, std::move(what)};
    return Errno{error};
  };
  // A server that turns this process away says so before it closes, so read even if sending failed.
  auto sent = send_all(socket_.get(), encode_message(body, blob), fds);
  auto reply = receive_message(socket_.get(), reader_);
  if (!reply && !sent) return fail(sent.error_code(), "");
  if (!reply) return fail(reply.error_code(), "");
  try {
    if (!reply->body.at("ok").get<bool>()) {
      int error = reply->body.at("errno").get<int>();
      return fail(error > 0 ? error : EPROTO, reply->body.at("what").get<std::string>());
    }
  } catch (const nlohmann::json::exception&) {
    return fail(EPROTO, "");
  }
  return std::move(*reply);
}

Result<ContainerInfo> Client::info(Refusal* refusal) {
  auto reply = ask({{"op", "info"}}, {}, {}, refusal);
  if (!reply) return reply.error();
  auto container = reply->body.find("container");
  auto info = container == reply->body.end() ? Result<ContainerInfo>(Errno{EPROTO})
                                             : container_from_json(*container);
  if (!info && refusal != nullptr) *refusal = {info.error_code(), ""};
  return info;
}

Result<void> Client::kill(const std::string& ns, int nr, int signal, Refusal* refusal) {
  auto reply = ask({{"op", "kill"}, {"ns", ns}, {"nr", nr}, {"signal", signal}}, {}, {}, refusal);
  if (!reply) return reply.error();
  return {};
}

Result<GroupReply> Client::group(const GroupRequest& request, Refusal* refusal) {
  if ((request.path + request.file).find('\0') != std::string::npos) {
    if (refusal != nullptr) *refusal = {EINVAL, "group"};
    return Errno{EINVAL};
  }
  const GroupMessage message = encode_group_request(request);
  auto reply = ask(message.body, message.blob, {}, refusal);
  if (!reply) return reply.error();
  auto decoded = decode_group_reply(reply->body, reply->blob);
  if (!decoded && refusal != nullptr) *refusal = {decoded.error_code(), ""};
  return decoded;
}

Result<ExecStarted> Client::exec(const ExecCommand& command, Refusal* refusal) {
  std::vector<std::string> strings = {command.program, command.cwd};
  strings.insert(strings.end(), command.argv.begin(), command.argv.end());
  strings.insert(strings.end(), command.env.begin(), command.env.end());
  std::vector<int> fds;
  std::vector<size_t> which;
  for (size_t i = 0; i < command.stdio.size(); ++i) {
    if (command.stdio[i] < 0) continue;
    fds.push_back(command.stdio[i]);
    which.push_back(i);
  }
  auto reply = ask({{"op", "exec"},
                    {"ns", command.ns},
                    {"argc", command.argv.size()},
                    {"umask", command.umask},
                    {"tty", command.tty},
                    {"stdio", which}},
                   pack_strings(strings), fds, refusal);
  if (!reply) return reply.error();
  ExecStarted started;
  try {
    started.level0 = reply->body.at("level0").get<int>();
    started.nr = reply->body.at("nr").get<int>();
  } catch (const nlohmann::json::exception&) {
    if (refusal != nullptr) *refusal = {EPROTO, ""};
    return Errno{EPROTO};
  }
  return started;
}

Result<void> Client::signal_exec(int signal) {
  return send_all(socket_.get(), encode_message({{"op", "signal"}, {"signal", signal}}));
}

Result<std::optional<ExecEnd>> Client::next_end() {
  auto message = reader_.next();
  if (!message) return message.error();
  if (!*message) return std::optional<ExecEnd>();
  try {
    return std::optional<ExecEnd>({(*message)->body.at("wait_status").get<int>(),
                                   (*message)->body.at("exec_errno").get<int>()});
  } catch (const nlohmann::json::exception&) {
    return Errno{EPROTO};
  }
}

Result<std::optional<ExecEnd>> Client::receive_end() {
  // The end may have come together with the reply to exec.
  auto end = next_end();
  if (!end || *end) return end;
  auto more = reader_.receive(socket_.get(), MSG_DONTWAIT);
  if (!more && (more.error_code() == EAGAIN || more.error_code() == EINTR)) {
    return std::optional<ExecEnd>();
  }
  if (!more) return more.error();
  if (!*more) return Errno{ECONNRESET};
  return next_end();
}

}  // namespace warren::control
