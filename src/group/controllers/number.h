// Numbers in control files, read as the kernel reads them (kstrtoll() with base 0), so that a
// script gets the same answer from either: "0x10" and "010" are 16 and 8, "+1" is 1, "08" is
// EINVAL.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "warren/result.h"

namespace warren::group {

// The value of one digit in any base up to 16, or 16.
inline unsigned digit_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return 16;
}

// Without a sign. EINVAL: not a number, or something follows. ERANGE: does not fit.
inline Result<std::uint64_t> parse_magnitude(std::string_view text) {
  unsigned base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == 'x' && digit_value(text[2]) < 16) {
    base = 16;
    text.remove_prefix(2);
  } else if (!text.empty() && text[0] == '0') {
    base = 8;
  }
  if (text.empty()) return Errno{EINVAL};
  std::uint64_t value = 0;
  bool overflow = false;
  for (const char c : text) {
    const unsigned digit = digit_value(c);
    if (digit >= base) return Errno{EINVAL};
    if (__builtin_mul_overflow(value, std::uint64_t{base}, &value)) overflow = true;
    if (__builtin_add_overflow(value, std::uint64_t{digit}, &value)) overflow = true;
  }
  if (overflow) return Errno{ERANGE};
  return value;
}

// With an optional plus (kstrtoull()). EINVAL, ERANGE as above.
inline Result<std::uint64_t> parse_unsigned(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return parse_magnitude(text);
}

// Between min and max, with an optional sign. EINVAL, ERANGE as above.
inline Result<std::int64_t> parse_number(
    std::string_view text, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
    std::int64_t max = std::numeric_limits<std::int64_t>::max()) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const Result<std::uint64_t> magnitude = parse_magnitude(text);
  if (!magnitude) return magnitude.error();
  const std::uint64_t limit = std::uint64_t{1} << 63;
  if (*magnitude > limit || (!negative && *magnitude == limit)) return Errno{ERANGE};
  const auto value = static_cast<std::int64_t>(negative ? 0 - *magnitude : *magnitude);
  if (value < min || value > max) return Errno{ERANGE};
  return value;
}

}  // namespace warren::group
