// Numbers as control files take them.
#pragma once

#include <charconv>
#include <cstdint>
#include <limits>
#include <string_view>

#include "warren/result.h"

namespace warren::controllers {

// As the kernel's kstrtoull(text, 0): decimal, 0x… or 0…, the whole text, a plus sign allowed.
// EINVAL; ERANGE: does not fit.
inline Result<std::uint64_t> parse_unsigned(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text.starts_with('0')) {
    base = 8;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) {
    return Errno{EINVAL};
  }
  if (error == std::errc::result_out_of_range) return Errno{ERANGE};
  return value;
}

// kstrtoll(text, 0). EINVAL; ERANGE.
inline Result<std::int64_t> parse_signed(std::string_view text) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (negative && text.starts_with('+')) return Errno{EINVAL};
  const Result<std::uint64_t> value = parse_unsigned(text);
  if (!value) return value.error();
  if (*value > kMax + (negative ? 1 : 0)) return Errno{ERANGE};
  return static_cast<std::int64_t>(negative ? 0 - *value : *value);
}

}  // namespace warren::controllers
