// The text of `mount -o`.
#include <algorithm>
#include <cctype>
#include <cerrno>

#include "warren/groups.h"

namespace warren {

namespace {

bool good_hierarchy_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

Result<MountOptions> MountOptions::parse(std::string_view text) {
  MountOptions options;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (word == "all") {
      options.all = true;
    } else if (word == "none") {
      options.none = true;
    } else if (word == "clone_children") {
      options.clone_children = true;
    } else if (word == "noprefix" || word == "xattr") {
      return Errno{EINVAL};
    } else if (word.substr(0, 5) == "name=") {
      // Linux takes one name only.
      if (!options.name.empty() || !good_hierarchy_name(word.substr(5))) return Errno{EINVAL};
      options.name = word.substr(5);
    } else if (word.substr(0, 14) == "release_agent=") {
      if (!options.release_agent.empty() || word.size() == 14) return Errno{EINVAL};
      options.release_agent = word.substr(14);
    } else if (word.empty() || word.find('=') != std::string_view::npos) {
      return Errno{EINVAL};
    } else {
      options.subsystems.emplace_back(word);
    }
  }
  if (options.all && !options.subsystems.empty()) return Errno{EINVAL};
  if (options.none && (options.all || !options.subsystems.empty())) return Errno{EINVAL};
  if (options.none && options.name.empty()) return Errno{EINVAL};
  return options;
}

}  // namespace warren
