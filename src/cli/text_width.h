// How much room text takes on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace warren::cli {

struct Glyph {
  size_t bytes;  // at least 1
  int columns;   // 0 for combining characters; -1: not printable or not UTF-8
};

// The first character of `text`, which must not be empty. What is printable follows LC_CTYPE.
Glyph next_glyph(std::string_view text);

// Columns that printable text takes.
size_t text_width(std::string_view text);

// The longest beginning of printable `text` that fits `columns`; if something is cut off, the last
// column is an ellipsis.
std::string fit(std::string_view text, size_t columns);

// "…" where the locale's characters are UTF-8, else "~".
std::string_view ellipsis();

// Whether LC_CTYPE is UTF-8.
bool utf8_locale();

}  // namespace warren::cli
