#include "tracer/procfs/mounts.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>

namespace warren::procfs {
namespace {

// What groupfs is to the host's kernel.
constexpr std::string_view kGroupType = "fuse.rcfs";

bool is_host_cgroup(std::string_view type) { return type == "cgroup" || type == "cgroup2"; }

// Cuts the next word, up to `end`, off the front of `text`, and the `end` with it.
std::string_view cut(std::string_view& text, char end) {
  const size_t at = std::min(text.find(end), text.size());
  const std::string_view word = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return word;
}

// As the kernel writes names that contain what separates fields (getmntent(3)).
std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\\') {
      fmt::format_to(std::back_inserter(out), "\\{:03o}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

// Options of the file system itself: those of the mount stand in a field of their own there.
std::string file_system_options(std::string_view options) {
  constexpr std::array<std::string_view, 7> kOfMount = {
      "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "nosymfollow"};
  std::string out;
  while (!options.empty()) {
    const std::string_view option = cut(options, ',');
    if (std::ranges::find(kOfMount, option) != kOfMount.end()) continue;
    if (!out.empty()) out += ',';
    out += option;
  }
  return out;
}

// The last one that `matches`: it hides those mounted there before.
template <typename Matches>
const ShownMount* last_of(const std::vector<ShownMount>& groups, Matches matches) {
  const auto last = std::find_if(groups.rbegin(), groups.rend(), matches);
  return last == groups.rend() ? nullptr : &*last;
}

}  // namespace

std::string rewrite_mounts(std::string_view text, const std::vector<ShownMount>& groups) {
  std::string out;
  while (!text.empty()) {
    const std::string_view line = cut(text, '\n');
    std::string_view rest = line;
    cut(rest, ' ');
    const std::string_view dir = cut(rest, ' ');
    const std::string_view type = cut(rest, ' ');
    if (is_host_cgroup(type)) continue;
    const ShownMount* shown = nullptr;
    if (type == kGroupType) {
      shown = last_of(groups, [&](const ShownMount& mount) { return escaped(mount.dir) == dir; });
    }
    if (shown) {
      fmt::format_to(std::back_inserter(out), "{} {} {} {} 0 0\n", escaped(shown->source), dir,
                     shown->type, shown->options);
    } else {
      out.append(line).append("\n");
    }
  }
  return out;
}

std::string rewrite_mountinfo(std::string_view text, const std::vector<ShownMount>& groups) {
  constexpr std::string_view kSeparator = " - ";
  std::string out;
  while (!text.empty()) {
    const std::string_view line = cut(text, '\n');
    const size_t separator = line.find(kSeparator);
    if (separator == std::string_view::npos) {
      out.append(line).append("\n");
      continue;
    }
    const std::string_view place = line.substr(0, separator + kSeparator.size());
    std::string_view rest = line.substr(place.size());
    const std::string_view type = cut(rest, ' ');
    if (is_host_cgroup(type)) continue;
    const ShownMount* shown = nullptr;
    if (type == kGroupType) {
      std::string_view fields = place;
      cut(fields, ' ');
      cut(fields, ' ');
      const std::string_view device = cut(fields, ' ');
      shown = last_of(groups, [&](const ShownMount& mount) {
        return fmt::format("{}:{}", ::gnu_dev_major(mount.device), ::gnu_dev_minor(mount.device)) ==
               device;
      });
    }
    if (shown) {
      fmt::format_to(std::back_inserter(out), "{}{} {} {}\n", place, shown->type,
                     escaped(shown->source), file_system_options(shown->options));
    } else {
      out.append(line).append("\n");
    }
  }
  return out;
}

}  // namespace warren::procfs
