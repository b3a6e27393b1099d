#include "cli/top/draw.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>

#include "cli/report.h"
#include "cli/text_width.h"
#include "cli/top/help.h"

namespace warren::cli::top {
namespace {

constexpr size_t kLeastName = 16;  // columns for the last column; others are dropped for it
constexpr size_t kNamesShown = 6;  // of containers
constexpr size_t kMostHeadings = 3;
constexpr size_t kLinesForAll = 10;  // a terminal with fewer loses heading lines first

// Text at the left edge, cut at the right one.
Line plain_line(std::string_view text, size_t columns, Style style = Style::kPlain) {
  return {{{fit(printable(text), columns), style}}};
}

std::string padded(const std::string& text, size_t width, bool right) {
  size_t used = text_width(text);
  std::string blanks(width > used ? width - used : 0, ' ');
  return right ? blanks + text : text + blanks;
}

// The end of printable `text` that begins `columns` further to the right.
std::string_view skip_columns(std::string_view text, size_t columns) {
  size_t at = 0;
  while (!text.empty() && at < columns) {
    Glyph glyph = next_glyph(text);
    at += glyph.columns > 0 ? static_cast<size_t>(glyph.columns) : 0;
    text.remove_prefix(glyph.bytes);
  }
  return text;
}

struct Placed {
  ColumnSpec spec;
  size_t width;
};

// Columns that fit, each as wide as what it shows now.
std::vector<Placed> place(const Ui& ui, const std::vector<ColumnSpec>& specs, size_t columns) {
  std::vector<Placed> placed;
  for (const ColumnSpec& spec : specs) {
    size_t width = text_width(spec.title);
    for (const Shown& shown : ui.shown()) {
      if (spec.most == 0 || width >= spec.most) break;
      std::string text = cell_text(ui.rows()[shown.row], spec.field, false);
      width = std::max(width, text_width(printable(text)));
    }
    placed.push_back({spec, spec.most == 0 ? 0 : std::min(width, spec.most)});
  }
  auto used = [&] {
    size_t sum = 0;
    for (const Placed& each : placed) sum += each.width + 1;
    return sum;
  };
  while (placed.size() > 1 && used() + kLeastName > columns) {
    auto least = std::min_element(placed.begin(), placed.end(), [](const auto& a, const auto& b) {
      return a.spec.worth < b.spec.worth;
    });
    placed.erase(least);
  }
  size_t before = used() - 1;  // with the gaps; the last column's width is still 0
  placed.back().width = columns > before ? columns - before : 0;
  return placed;
}

Line title_line(const Ui& ui, const std::vector<Placed>& columns) {
  Line line;
  line.reverse = true;
  for (const Placed& column : columns) {
    if (!line.pieces.empty()) line.pieces.push_back({" "});
    bool sorted = column.spec.field == ui.order().field;
    line.pieces.push_back(
        {padded(fit(column.spec.title, column.width), column.width, column.spec.right),
         sorted ? Style::kBold : Style::kPlain});
  }
  return line;
}

Line row_line(const Ui& ui, const std::vector<Placed>& columns, const Shown& shown, bool chosen) {
  const Row& row = ui.rows()[shown.row];
  bool tree = ui.order().tree;
  Line line;
  line.reverse = chosen;
  for (const Placed& column : columns) {
    if (!line.pieces.empty()) line.pieces.push_back({" "});
    std::string text = printable(cell_text(row, column.spec.field, tree));
    if (column.spec.field == Field::kName) {
      text = skip_columns(shown.prefix + text, ui.sideways());
    }
    Style style = chosen          ? Style::kPlain
                  : shown.matches ? cell_style(row, column.spec.field)
                                  : Style::kDim;
    line.pieces.push_back(
        {padded(fit(text, column.width), column.width, column.spec.right), style});
  }
  return line;
}

std::string key_help(const Ui& ui) {
  std::string text = "?:Help q:Quit Tab:";
  text += view_word(ui.view());
  text += std::string(" V:") + (ui.order().tree ? "List" : "Tree");
  text += " <>:Sort /:Filter k:Kill";
  if (ui.view() == View::kGroups) text += " f:Freeze";
  text += " +-:" + interval_text(ui.interval()) + "s";
  return text;
}

// What stands between the headings and the list.
std::string status_text(const Ui& ui) {
  if (!ui.message().empty()) return ui.message();
  if (!ui.filter().empty()) return "Filter: " + ui.filter() + " (Esc: show all)";
  return "";
}

Frame draw_help(Ui& ui, Size size) {
  Frame frame;
  for (std::string_view text : help_lines()) {
    if (frame.lines.size() + 1 >= size.lines) break;
    frame.lines.push_back(plain_line(text, size.columns));
  }
  while (frame.lines.size() + 1 < size.lines) frame.lines.emplace_back();
  frame.lines.push_back(plain_line("Any key goes back to the list", size.columns));
  frame.lines.back().reverse = true;
  ui.set_room(1);
  return frame;
}

std::string elapsed_text(int64_t seconds) {
  seconds = std::max<int64_t>(seconds, 0);
  std::string clock =
      fmt::format("{}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
  return seconds < 86400 ? clock : fmt::format("{}d {}", seconds / 86400, clock);
}

std::string names_text(const Totals& totals) {
  if (totals.names.empty()) return "no container is running";
  std::string text;
  if (totals.names.size() > 1) text = std::to_string(totals.names.size()) + " containers: ";
  for (size_t i = 0; i < totals.names.size() && i < kNamesShown; ++i) {
    text += (i == 0 ? "" : ", ") + totals.names[i];
  }
  if (totals.names.size() > kNamesShown) text += std::string(", ") + std::string(ellipsis());
  return text;
}

}  // namespace

std::vector<std::string> headings(const Measurement& measurement, int64_t now) {
  const Totals& totals = measurement.totals();
  tm local{};
  auto at = static_cast<time_t>(now);
  localtime_r(&at, &local);
  std::string first = fmt::format("warren top {:02}:{:02}:{:02} - {}", local.tm_hour, local.tm_min,
                                  local.tm_sec, names_text(totals));
  if (totals.started != 0) {
    first += fmt::format(" ({}), up {}", totals.backend, elapsed_text(now - totals.started));
  }
  std::string second =
      fmt::format("Processes: {}, {} running, {} stopped, {} zombie; threads: {}", totals.processes,
                  totals.running, totals.stopped, totals.zombies, totals.threads);
  std::string third =
      fmt::format("%CPU: {}  Mem: {}  Forks/s: {}  Namespaces: {}", rate_text(totals.cpu),
                  size_text(totals.memory), rate_text(totals.forks), totals.namespaces);
  if (totals.has_groups) {
    third += fmt::format("  Groups: {}", totals.groups);
    if (totals.frozen_groups > 0) third += fmt::format(" ({} frozen)", totals.frozen_groups);
  }
  if (totals.supervisor_cpu) third += "  Supervisor: " + rate_text(totals.supervisor_cpu) + "%";
  return {first, second, third};
}

Frame draw(Ui& ui, Size size) {
  size.columns = std::max<size_t>(size.columns, 1);
  size.lines = std::max<size_t>(size.lines, 1);
  if (ui.mode() == Mode::kHelp) return draw_help(ui, size);
  Frame frame;
  auto& lines = frame.lines;
  // Of a low terminal the list has the most: first the headings go, then the keys, then the titles.
  size_t nr_headings = size.lines >= kLinesForAll ? kMostHeadings : size.lines >= 6 ? 1 : 0;
  bool with_titles = size.lines >= 3, with_keys = size.lines >= 5;
  if (ui.measured()) {
    std::vector<std::string> texts = headings(ui.measurement(), ui.measurement().wall_time());
    for (size_t i = 0; i < nr_headings; ++i) {
      lines.push_back(plain_line(texts[i], size.columns, i == 0 ? Style::kBold : Style::kPlain));
    }
  } else {
    for (size_t i = 0; i < nr_headings; ++i) lines.emplace_back();
    if (nr_headings > 0) lines[0] = plain_line("warren top", size.columns, Style::kBold);
  }

  std::string question = ui.question(), status = status_text(ui);
  // The line for questions is always there if there is room, and made if it is needed.
  frame.input_line = lines.size();
  if (size.lines >= kLinesForAll || ((!question.empty() || !status.empty()) && size.lines > 1)) {
    std::string text = question.empty() ? status : question + ui.input();
    if (ui.mode() == Mode::kConfirm) text = question;
    std::string shown = printable(text);
    // Of a long line the end is what is being typed.
    size_t width = text_width(shown);
    if (!question.empty() && width >= size.columns) {
      shown = skip_columns(shown, width - size.columns + 1);
    }
    if (!question.empty()) frame.cursor = std::min(text_width(shown), size.columns - 1);
    lines.push_back(
        {{{fit(shown, size.columns), question.empty() ? Style::kYellow : Style::kBold}}});
  }

  std::vector<Placed> columns = place(ui, ui.columns(), size.columns);
  if (with_titles) lines.push_back(title_line(ui, columns));
  size_t room = size.lines - std::min(size.lines, lines.size() + (with_keys ? 1 : 0));
  ui.set_room(room);
  for (size_t i = 0; i < room; ++i) {
    size_t at = ui.first() + i;
    if (at < ui.shown().size()) {
      lines.push_back(row_line(ui, columns, ui.shown()[at], at == ui.chosen()));
    } else if (i == 0 && ui.measured()) {
      std::string nothing = ui.view() == View::kGroups && !ui.measurement().totals().has_groups
                                ? "no groups are known here"
                                : "nothing to show";
      lines.push_back(plain_line(nothing, size.columns, Style::kDim));
    } else {
      lines.emplace_back();
    }
  }
  if (with_keys) {
    lines.push_back(plain_line(key_help(ui), size.columns));
    lines.back().reverse = true;
  }
  return frame;
}

}  // namespace warren::cli::top
