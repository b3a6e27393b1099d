#include "cli/report.h"

#include <unistd.h>

#include <cstring>

#include "cli/text_width.h"

namespace warren::cli {

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    Glyph glyph = next_glyph(text);
    if (glyph.columns < 0) {
      shown += '?';
    } else {
      shown += text.substr(0, glyph.bytes);
    }
    text.remove_prefix(glyph.bytes);
  }
  return shown;
}

std::string describe(const Failure& failure) {
  std::string line = failure.what;
  auto add = [&line](std::string_view part) {
    if (part.empty()) return;
    if (!line.empty()) line += ": ";
    line += part;
  };
  add(failure.on);
  if (failure.error != 0) add(strerror(failure.error));
  if (!failure.advice.empty()) line += "; " + failure.advice;
  return printable(line);
}

void report_line(std::string_view line) {
  std::string text = "warren: " + printable(line) + "\n";
  // Where stderr is closed nobody can be told.
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

int report(const Failure& failure) {
  report_line(describe(failure));
  return failure.exit_status;
}

}  // namespace warren::cli
