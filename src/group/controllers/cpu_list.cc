#include "group/controllers/cpu_list.h"

#include <algorithm>
#include <cstdint>

namespace warren::group {
namespace {

bool is_separator(char c) { return c == ',' || c == ' ' || (c >= '\t' && c <= '\r'); }

struct Region {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  // Of each `group` bits, the first `used` ones.
  std::uint64_t used = 1;
  std::uint64_t group = 1;
};

// Reads a list from its start to its end.
class Parser {
 public:
  Parser(std::string_view text, std::size_t size) : rest_(text), set_(size) {}

  Result<CpuSet> parse() {
    for (;;) {
      while (!rest_.empty() && is_separator(rest_.front())) rest_.remove_prefix(1);
      if (rest_.empty()) return std::move(set_);
      Region region;
      if (Result<void> read = parse_region(region); !read) return read.error();
      if (region.first > region.last || region.group == 0 || region.used > region.group) {
        return Errno{EINVAL};
      }
      if (region.last >= set_.size()) return Errno{ERANGE};
      for (std::uint64_t n = region.first; n <= region.last; ++n) {
        if ((n - region.first) % region.group < region.used) set_[n] = true;
      }
    }
  }

 private:
  bool at_end_of_region() const { return rest_.empty() || is_separator(rest_.front()); }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool take_all() {
    if (rest_.size() < 3) return false;
    if ((rest_[0] | 0x20) != 'a' || (rest_[1] | 0x20) != 'l' || (rest_[2] | 0x20) != 'l') {
      return false;
    }
    rest_.remove_prefix(3);
    return true;
  }

  Result<void> take_number(std::uint64_t& number) {
    if (take('N')) {
      number = set_.size() - 1;
      return {};
    }
    if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') return Errno{EINVAL};
    number = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      number = number * 10 + static_cast<std::uint64_t>(rest_.front() - '0');
      if (number > UINT32_MAX) return Errno{EOVERFLOW};
      rest_.remove_prefix(1);
    }
    return {};
  }

  Result<void> parse_region(Region& region) {
    if (take_all()) {
      region.last = set_.size() - 1;
    } else {
      if (Result<void> first = take_number(region.first); !first) return first;
      region.last = region.first;
      if (at_end_of_region()) return {};
      if (!take('-')) return Errno{EINVAL};
      if (Result<void> last = take_number(region.last); !last) return last;
    }
    if (at_end_of_region()) return {};
    if (!take(':')) return Errno{EINVAL};
    if (Result<void> used = take_number(region.used); !used) return used;
    if (!take('/')) return Errno{EINVAL};
    return take_number(region.group);
  }

  std::string_view rest_;
  CpuSet set_;
};

}  // namespace

Result<CpuSet> parse_cpu_list(std::string_view text, std::size_t size) {
  return Parser(text, size).parse();
}

std::string format_cpu_list(const CpuSet& set) {
  std::string text;
  for (std::size_t n = 0; n < set.size(); ++n) {
    if (!set[n]) continue;
    const std::size_t first = n;
    while (n + 1 < set.size() && set[n + 1]) ++n;
    if (!text.empty()) text += ',';
    text += std::to_string(first);
    if (n > first) text += '-' + std::to_string(n);
  }
  return text;
}

}  // namespace warren::group
