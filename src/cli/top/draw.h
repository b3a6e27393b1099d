// A frame of text out of the state of the screen, for whatever size the terminal has.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/table.h"
#include "cli/top/ui.h"

namespace warren::cli::top {

struct Piece {
  std::string text;  // printable
  Style style = Style::kPlain;
};

struct Line {
  std::vector<Piece> pieces;
  bool reverse = false;  // the whole line, to the right edge
};

struct Frame {
  std::vector<Line> lines;       // exactly as many as the terminal has
  std::optional<size_t> cursor;  // column in the input line, while one is typed
  size_t input_line = 0;
};

struct Size {
  size_t columns = 80;
  size_t lines = 24;
};

// Also tells `ui` how many rows there is room for.
Frame draw(Ui& ui, Size size);

// The lines at the top, without the terminal's width; for batch output too.
std::vector<std::string> headings(const Measurement& measurement, int64_t now);

}  // namespace warren::cli::top
