#include "cli/text_width.h"

#include <langinfo.h>
#include <wchar.h>

#include <cstring>

namespace warren::cli {
namespace {

constexpr Glyph kInvalid{1, -1};

// UTF-8 (RFC 3629): no overlong forms, no surrogates.
Glyph decode(std::string_view text, char32_t& code) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  size_t length;
  char32_t least;
  if (byte(0) < 0xc2) {
    return kInvalid;
  } else if (byte(0) < 0xe0) {
    length = 2, least = 0x80, code = byte(0) & 0x1f;
  } else if (byte(0) < 0xf0) {
    length = 3, least = 0x800, code = byte(0) & 0x0f;
  } else if (byte(0) < 0xf5) {
    length = 4, least = 0x10000, code = byte(0) & 0x07;
  } else {
    return kInvalid;
  }
  if (text.size() < length) return kInvalid;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return kInvalid;
    code = code << 6 | (byte(i) & 0x3f);
  }
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return kInvalid;
  return {length, 0};
}

}  // namespace

bool utf8_locale() { return strcmp(nl_langinfo(CODESET), "UTF-8") == 0; }

std::string_view ellipsis() { return utf8_locale() ? "…" : "~"; }

Glyph next_glyph(std::string_view text) {
  auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return {1, first >= 0x20 && first != 0x7f ? 1 : -1};
  char32_t code = 0;
  Glyph glyph = decode(text, code);
  if (glyph.columns >= 0) glyph.columns = utf8_locale() ? wcwidth(static_cast<wchar_t>(code)) : -1;
  return glyph;
}

size_t text_width(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    Glyph glyph = next_glyph(text);
    width += glyph.columns > 0 ? static_cast<size_t>(glyph.columns) : 0;
    text.remove_prefix(glyph.bytes);
  }
  return width;
}

std::string fit(std::string_view text, size_t columns) {
  if (text_width(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  size_t width = 0, bytes = 0;
  while (bytes < text.size()) {
    Glyph glyph = next_glyph(text.substr(bytes));
    size_t more = glyph.columns > 0 ? static_cast<size_t>(glyph.columns) : 0;
    if (width + more > columns - 1) break;
    width += more;
    bytes += glyph.bytes;
  }
  return std::string(text.substr(0, bytes)) + std::string(ellipsis());
}

}  // namespace warren::cli
