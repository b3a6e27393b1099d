// What the text of a path says about where it may lead. The agent has the same test in assembler.
#pragma once

#include <cstddef>
#include <string_view>

namespace warren::inject {

// Whether a component of the path is "proc", or "fd" (of /dev/fd, also relative to /dev): without
// one, a path that does not start inside /proc cannot lead there, but for symbolic links with a
// name of their own.
inline bool mentions_proc(std::string_view path) {
  for (;;) {
    const std::size_t end = path.find('/');
    const std::string_view component = path.substr(0, end);
    if (component == "proc" || component == "fd") return true;
    if (end == std::string_view::npos) return false;
    path.remove_prefix(end + 1);
  }
}

}  // namespace warren::inject
