#include "cli/table.h"

#include <algorithm>

#include "cli/report.h"
#include "cli/text_width.h"

namespace warren::cli {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kLeast = 8;  // columns that shrink stop here

const char* escape(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\033[1m";
    case Style::kDim:
      return "\033[2m";
    case Style::kGreen:
      return "\033[32m";
    case Style::kYellow:
      return "\033[33m";
    case Style::kRed:
      return "\033[31m";
    case Style::kCyan:
      return "\033[36m";
  }
  return "";
}

}  // namespace

std::string styled(std::string_view text, Style style, bool colour) {
  if (!colour || style == Style::kPlain) return std::string(text);
  return std::string(escape(style)) + std::string(text) + "\033[0m";
}

void Table::add(std::vector<Cell> row) {
  for (Cell& cell : row) cell.text = printable(cell.text);
  row.resize(columns_.size());
  rows_.push_back(std::move(row));
}

std::vector<size_t> Table::widths(size_t room) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = text_width(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, text_width(row[i].text));
    widths.push_back(width);
  }
  if (room == 0) return widths;
  size_t total = kGap * (columns_.size() - 1);
  for (size_t width : widths) total += width;
  while (total > room) {
    size_t widest = columns_.size();
    for (size_t i = 0; i < columns_.size(); ++i) {
      size_t least = std::max(kLeast, text_width(columns_[i].title));
      if (!columns_[i].shrinks || widths[i] <= least) continue;
      if (widest == columns_.size() || widths[i] > widths[widest]) widest = i;
    }
    if (widest == columns_.size()) break;
    --widths[widest];
    --total;
  }
  return widths;
}

std::string Table::render(const Terminal& terminal) const {
  std::vector<size_t> widths = this->widths(terminal.width);
  std::string out;
  auto line = [&](auto cell_of) {
    size_t at = 0, owed = 0;  // columns written; blanks owed before the next cell
    for (size_t i = 0; i < columns_.size(); ++i) {
      Cell cell = cell_of(i);
      std::string text = fit(cell.text, widths[i]);
      size_t used = text_width(text);
      size_t blanks = owed + (columns_[i].right ? widths[i] - used : 0);
      if (terminal.width != 0 && at + blanks + used > terminal.width) {
        if (at + blanks >= terminal.width) break;
        text = fit(text, terminal.width - at - blanks);
        used = text_width(text);
      }
      if (used != 0) {
        out.append(blanks, ' ');
        out += styled(text, cell.style, terminal.colour);
        at += blanks + used;
        owed = kGap + (columns_[i].right ? 0 : widths[i] - used);
      } else {
        owed = owed + kGap + widths[i];
      }
    }
    out += '\n';
  };
  line([&](size_t i) { return Cell{columns_[i].title, Style::kBold}; });
  for (const auto& row : rows_) line([&](size_t i) { return row[i]; });
  return out;
}

}  // namespace warren::cli
