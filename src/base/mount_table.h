// Names in the kernel's tables of mounts (/proc/PID/mounts, mountinfo).
#pragma once

#include <charconv>
#include <string>
#include <string_view>

namespace warren {

// proc(5): blanks, newlines and backslashes in such a name are three octal digits behind a
// backslash.
inline std::string unescape_mount_name(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 4], code, 8).ptr == &text[i + 4]) {
      result += static_cast<char>(code);
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace warren
