#include "control/framing.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace warren::control {
namespace {

struct Header {
  uint32_t body;
  uint32_t blob;
};
constexpr size_t kReadSize = 64 * 1024;

}  // namespace

std::string encode_message(const nlohmann::json& body, std::string_view blob) {
  std::string text = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  Header header{static_cast<uint32_t>(text.size()), static_cast<uint32_t>(blob.size())};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += text;
  bytes += blob;
  return bytes;
}

Result<void> send_all(int socket, std::string_view bytes, const std::vector<int>& fds) {
  bool with_fds = !fds.empty();
  while (!bytes.empty()) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))] = {};
    if (with_fds) {
      if (fds.size() > kMaxFds) return Errno{EMSGSIZE};
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return Errno{errno};
    }
    with_fds = false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

Result<bool> MessageReader::receive(int socket, int flags) {
  size_t old = buffer_.size();
  buffer_.resize(old + kReadSize);
  iovec part{buffer_.data() + old, kReadSize};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  int error = errno;
  buffer_.resize(old + static_cast<size_t>(got > 0 ? got : 0));
  if (got < 0) return Errno{error};
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      fds_.emplace_back(fd);
    }
  }
  if (fds_.size() > kMaxFds || (message.msg_flags & MSG_CTRUNC) != 0) return Errno{EMSGSIZE};
  if (got == 0) return false;
  if (auto length = check_length(); !length) return length.error();
  return true;
}

Result<void> MessageReader::check_length() const {
  if (buffer_.size() < sizeof(Header)) return {};
  Header header;
  memcpy(&header, buffer_.data(), sizeof header);
  if (static_cast<uint64_t>(header.body) + header.blob > max_bytes_) return Errno{EMSGSIZE};
  return {};
}

Result<std::optional<Message>> MessageReader::next() {
  if (auto length = check_length(); !length) return length.error();
  Header header;
  if (buffer_.size() < sizeof header) return std::optional<Message>();
  memcpy(&header, buffer_.data(), sizeof header);
  size_t total = sizeof header + header.body + header.blob;
  if (buffer_.size() < total) return std::optional<Message>();
  Message message;
  message.body = nlohmann::json::parse(buffer_.begin() + sizeof header,
                                       buffer_.begin() + sizeof header + header.body, nullptr,
                                       /*allow_exceptions=*/false);
  message.blob = buffer_.substr(sizeof header + header.body, header.blob);
  message.fds = std::move(fds_);
  fds_.clear();
  buffer_.erase(0, total);
  if (!message.body.is_object()) return Errno{EPROTO};
  return std::optional<Message>(std::move(message));
}

Result<Message> receive_message(int socket, MessageReader& reader) {
  for (;;) {
    auto message = reader.next();
    if (!message) return message.error();
    if (*message) return std::move(**message);
    auto more = reader.receive(socket);
    if (!more && more.error_code() == EINTR) continue;
    if (!more) return more.error();
    if (!*more) return Errno{ECONNRESET};
  }
}

std::string pack_strings(const std::vector<std::string>& strings) {
  std::string blob;
  for (const std::string& text : strings) {
    blob += text;
    blob += '\0';
  }
  return blob;
}

Result<std::vector<std::string>> unpack_strings(std::string_view blob) {
  std::vector<std::string> strings;
  while (!blob.empty()) {
    size_t end = blob.find('\0');
    if (end == std::string_view::npos) return Errno{EPROTO};
    strings.emplace_back(blob.substr(0, end));
    blob.remove_prefix(end + 1);
  }
  return strings;
}

}  // namespace warren::control
