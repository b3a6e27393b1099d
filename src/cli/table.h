// Columns for people: as wide as their contents, fitted to the terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/output.h"

namespace warren::cli {

enum class Style { kPlain, kBold, kDim, kGreen, kYellow, kRed, kCyan };

struct Cell {
  std::string text;
  Style style = Style::kPlain;
};

struct Column {
  std::string title;
  bool right = false;    // numbers
  bool shrinks = false;  // may be cut where the terminal is too narrow
};

// `text` in a style, if the terminal has colours.
std::string styled(std::string_view text, Style style, bool colour);

// Rows under a line of titles. Without a width every cell is whole; with one, the columns that may
// shrink are cut, the widest first, and then the end of the line.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns; their text is made printable.
  void add(std::vector<Cell> row);
  std::string render(const Terminal& terminal) const;

 private:
  std::vector<size_t> widths(size_t room) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace warren::cli
