#include "cli/top/usage.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string>

#include "base/unique_fd.h"

namespace warren::cli::top {
namespace {

// proc(5), numbered from 1.
constexpr int kUserTime = 14;
constexpr int kSystemTime = 15;
constexpr int kStartTime = 22;
constexpr int kResident = 24;
constexpr int kAfterName = 3;  // the first field behind "(comm)"

}  // namespace

std::optional<Usage> parse_usage(std::string_view stat, uint64_t ticks, uint64_t page_size) {
  size_t close = stat.rfind(')');  // a name may contain anything, brackets and blanks too
  if (close == std::string_view::npos || ticks == 0) return std::nullopt;
  std::string_view rest = stat.substr(close + 1);
  Usage usage;
  uint64_t cpu_ticks = 0;
  for (int field = kAfterName; field <= kResident; ++field) {
    size_t begin = rest.find_first_not_of(' ');
    if (begin == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(begin);
    std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    if (field != kUserTime && field != kSystemTime && field != kStartTime && field != kResident) {
      continue;
    }
    uint64_t value = 0;
    while (!word.empty() && word.back() == '\n') word.remove_suffix(1);
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
    if (field == kStartTime) {
      usage.started = value;
    } else if (field == kResident) {
      usage.memory = value * page_size;
    } else {
      cpu_ticks += value;
    }
  }
  usage.cpu_usec = cpu_ticks * 1'000'000 / ticks;
  return usage;
}

std::optional<Usage> usage_of(int pid) {
  static const auto ticks = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  static const auto page_size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::string path = "/proc/" + std::to_string(pid) + "/stat";
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  char buffer[1024];
  ssize_t size = read(fd.get(), buffer, sizeof buffer);
  if (size <= 0) return std::nullopt;
  return parse_usage({buffer, static_cast<size_t>(size)}, ticks, page_size);
}

}  // namespace warren::cli::top
