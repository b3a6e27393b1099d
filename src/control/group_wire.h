// Requests about groups and the answers to them, as messages. Names of groups may be any bytes, and
// JSON carries only UTF-8, so every string travels in the blob.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "control/group_request.h"
#include "warren/result.h"

namespace warren::control {

struct GroupMessage {
  nlohmann::json body;
  std::string blob;
};

// The body has {"op", "group"}, by which the server knows it.
GroupMessage encode_group_request(const GroupRequest& request);
// EPROTO: not such a message. EOPNOTSUPP: an operation that this version does not know.
Result<GroupRequest> decode_group_request(const nlohmann::json& body, std::string_view blob);

// The body has {"ok", true}.
GroupMessage encode_group_reply(const GroupReply& reply);
Result<GroupReply> decode_group_reply(const nlohmann::json& body, std::string_view blob);  // EPROTO

// The stable form of `warren group tree --json`. Bytes that are not UTF-8 come out as U+FFFD when
// dumped with the error handler `replace`.
nlohmann::json to_json(const GroupSnapshot& group);

}  // namespace warren::control
