// Messages on the control socket: a JSON body, a blob of raw bytes for what JSON cannot carry
// (arguments and environment need not be UTF-8), and descriptors.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren::control {

struct Message {
  nlohmann::json body;
  std::string blob;
  std::vector<UniqueFd> fds;
};

// On the wire: two 32-bit lengths in host order, body, blob. Descriptors ride on the first byte.
constexpr size_t kMaxRequest = 16u << 20;  // bytes that a server takes from a client
constexpr size_t kMaxReply = 512u << 20;   // bytes that a client takes from a server
constexpr size_t kMaxFds = 3;

// The bytes of a message, without its descriptors.
std::string encode_message(const nlohmann::json& body, std::string_view blob = {});

// Writes all of `bytes` to a blocking socket, the descriptors with the first. No SIGPIPE. Errors:
// those of sendmsg(2).
Result<void> send_all(int socket, std::string_view bytes, const std::vector<int>& fds = {});

// Puts messages together from what a socket delivers. Not thread-safe.
class MessageReader {
 public:
  explicit MessageReader(size_t max_bytes) : max_bytes_(max_bytes) {}

  // Reads once, with flags as recvmsg(2) takes them. False: end of stream. Errors: EAGAIN nothing
  // there (non-blocking only); EMSGSIZE too long or too many descriptors; those of recvmsg(2).
  Result<bool> receive(int socket, int flags = 0);

  // The next whole message, or nullopt. EPROTO: not JSON.
  Result<std::optional<Message>> next();

 private:
  Result<void> check_length() const;

  size_t max_bytes_;
  std::string buffer_;
  std::vector<UniqueFd> fds_;
};

// Reads until a whole message is there. ECONNRESET: the peer closed before.
Result<Message> receive_message(int socket, MessageReader& reader);

// Strings, each with a final NUL, one after the other. None may contain a NUL.
std::string pack_strings(const std::vector<std::string>& strings);
// EPROTO: no final NUL.
Result<std::vector<std::string>> unpack_strings(std::string_view blob);

}  // namespace warren::control
