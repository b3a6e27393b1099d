#include "cli/top/ui.h"

#include <signal.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "cli/signals.h"
#include "cli/text_width.h"

namespace warren::cli::top {
namespace {

constexpr size_t kSidewaysStep = 8;
constexpr size_t kMostInput = 200;  // bytes

void erase_last_character(std::string& text) {
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
  if (!text.empty()) text.pop_back();
}

std::string how_many(size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "es");
}

}  // namespace

Ui::Ui(const Settings& settings)
    : interval_(settings.interval),
      all_containers_(settings.all_containers),
      filter_(settings.filter) {
  for (View view : {View::kGroups, View::kNamespaces, View::kTasks}) {
    Order& order = states_[static_cast<size_t>(view)].order;
    order.tree = settings.tree.value_or(view != View::kTasks);
    order.field = view == View::kTasks ? Field::kCpu : Field::kName;
    if (view == View::kNamespaces) order.field = Field::kInode;
    if (settings.sort && (!settings.view || *settings.view == view)) order.field = *settings.sort;
    order.descending = descends(order.field);
  }
  view_given_ = settings.view.has_value();
  if (view_given_) view_ = *settings.view;
}

void Ui::update(Measurement measurement) {
  measurement_ = std::move(measurement);
  if (!measured_ && !view_given_ && measurement_.has_named_groups()) view_ = View::kGroups;
  measured_ = true;
  list_again();
}

std::vector<ColumnSpec> Ui::columns() const {
  return columns_of(view_, all_containers_, measurement_.has_named_groups());
}

void Ui::set_room(size_t rows) {
  room_ = std::max<size_t>(rows, 1);
  scroll();
}

void Ui::list_again() {
  shown_ = listing(rows(), order(), filter_);
  ViewState& at = state();
  if (at.chosen_key.empty()) {
    at.chosen = 0;
  } else {
    auto found = std::find_if(shown_.begin(), shown_.end(), [&](const Shown& shown) {
      return rows()[shown.row].key == at.chosen_key;
    });
    if (found != shown_.end()) {
      at.chosen = static_cast<size_t>(found - shown_.begin());
    } else {
      // It is gone: its place is what stays.
      choose(at.chosen);
    }
  }
  scroll();
}

void Ui::scroll() {
  ViewState& at = state();
  at.first = std::min(at.first, shown_.size() > room_ ? shown_.size() - room_ : 0);
  if (at.chosen < at.first) at.first = at.chosen;
  if (at.chosen >= at.first + room_) at.first = at.chosen - room_ + 1;
}

void Ui::choose(size_t index) {
  ViewState& at = state();
  at.chosen = shown_.empty() ? 0 : std::min(index, shown_.size() - 1);
  at.chosen_key = at.chosen == 0 || shown_.empty() ? "" : rows()[shown_[at.chosen].row].key;
}

void Ui::move(long by) {
  auto last = static_cast<long>(shown_.size()) - 1;
  choose(static_cast<size_t>(
      std::clamp(static_cast<long>(state().chosen) + by, 0L, std::max(last, 0L))));
  scroll();
}

void Ui::show(View view) {
  view_ = view;
  view_given_ = true;
  sideways_ = 0;
  list_again();
}

void Ui::sort_by(Field field) {
  auto of_view = columns_of(view_, true, true);
  bool known = std::any_of(of_view.begin(), of_view.end(),
                           [&](const ColumnSpec& column) { return column.field == field; });
  if (!known) {
    message_ = std::string("the list of ") + view_word(view_) + " has no such column";
    return;
  }
  state().order.field = field;
  state().order.descending = descends(field);
  list_again();
}

void Ui::sort_beside(int by) {
  std::vector<ColumnSpec> shown = columns();
  auto at = std::find_if(shown.begin(), shown.end(),
                         [&](const ColumnSpec& column) { return column.field == order().field; });
  auto index = at == shown.end() ? 0 : at - shown.begin() + by;
  if (index < 0 || index >= static_cast<ptrdiff_t>(shown.size())) return;
  sort_by(shown[static_cast<size_t>(index)].field);
}

void Ui::set_interval(double seconds) {
  interval_ = std::clamp(seconds, kLeastInterval, kMostInterval);
  message_ = "a new measurement every " + interval_text(interval_) + " s";
}

void Ui::ask(Mode mode, std::string input) {
  mode_ = mode;
  input_ = std::move(input);
}

const Row* Ui::chosen_row() const {
  return shown_.empty() ? nullptr : &rows()[shown_[state().chosen].row];
}

std::string Ui::question() const {
  switch (mode_) {
    case Mode::kFilter:
      return "Show what contains: ";
    case Mode::kSignal:
      return "Signal for " + target_.title + ": ";
    case Mode::kInterval:
      return "Seconds between measurements: ";
    case Mode::kConfirm:
      if (target_.kind == View::kTasks) {
        return "Send " + signal_name(signal_) + " to " + target_.title + "? [y/N] ";
      }
      if (target_.kind == View::kNamespaces) {
        return "Send " + signal_name(signal_) + " to all of " + target_.title + "? [y/N] ";
      }
      return "Send " + signal_name(signal_) + " to " +
             how_many(target_.processes.size(), "process") + " of " + target_.title + "? [y/N] ";
    case Mode::kList:
    case Mode::kHelp:
      break;
  }
  return "";
}

Wish Ui::press(const Key& key) {
  message_.clear();
  if (key.code == Key::kRedraw) return {Wish::kRedraw};
  if (key.code == Key::kF10) return {Wish::kQuit};
  switch (mode_) {
    case Mode::kHelp: {
      bool quit = key.code == Key::kText && (key.text == "q" || key.text == "Q");
      mode_ = Mode::kList;
      return {quit && key.text == "Q" ? Wish::kQuit : Wish::kNothing};
    }
    case Mode::kConfirm:
      return press_confirm(key);
    case Mode::kFilter:
    case Mode::kSignal:
    case Mode::kInterval:
      return press_input(key);
    case Mode::kList:
      break;
  }
  return press_list(key);
}

std::optional<Wish> Ui::press_move(const Key& key) {
  auto page = static_cast<long>(std::max<size_t>(room_, 2) - 1);
  switch (key.code) {
    case Key::kUp:
      move(-1);
      break;
    case Key::kDown:
      move(1);
      break;
    case Key::kPageUp:
      move(-page);
      break;
    case Key::kPageDown:
      move(page);
      break;
    case Key::kHome:
      sideways_ = 0;
      choose(0);
      scroll();
      break;
    case Key::kEnd:
      choose(shown_.size());
      scroll();
      break;
    case Key::kLeft:
      sideways_ -= std::min(sideways_, kSidewaysStep);
      break;
    case Key::kRight:
      sideways_ += kSidewaysStep;
      break;
    default:
      return std::nullopt;
  }
  return Wish{};
}

Wish Ui::press_list(const Key& key) {
  if (auto moved = press_move(key)) return *moved;
  switch (key.code) {
    case Key::kTab:
      show(static_cast<View>((static_cast<int>(view_) + 1) % 3));
      return {};
    case Key::kBackTab:
      show(static_cast<View>((static_cast<int>(view_) + 2) % 3));
      return {};
    case Key::kEscape:
      filter_.clear();
      list_again();
      return {};
    case Key::kF1:
      return press_letter('?');
    case Key::kF4:
      return press_letter('/');
    case Key::kF5:
      return press_letter('V');
    case Key::kF6:
      return press_letter('>');
    case Key::kF9:
      return press_letter('k');
    case Key::kText:
      return key.text.size() == 1 ? press_letter(key.text[0]) : Wish{};
    default:
      return {};
  }
}

Wish Ui::press_letter(char letter) {
  switch (letter) {
    case 'q':
    case 'Q':
      return {Wish::kQuit};
    case '?':
    case 'h':
      mode_ = Mode::kHelp;
      return {};
    case 'g':
      show(View::kGroups);
      return {};
    case 'n':
      show(View::kNamespaces);
      return {};
    case 't':
      show(View::kTasks);
      return {};
    case 'V':
      state().order.tree = !state().order.tree;
      list_again();
      return {};
    case 'P':
      sort_by(Field::kCpu);
      return {};
    case 'M':
      sort_by(Field::kMemory);
      return {};
    case 'T':
      sort_by(Field::kTime);
      return {};
    case 'C':
      sort_by(Field::kTasks);
      return {};
    case 'F':
      sort_by(Field::kForks);
      return {};
    case 'N':
      sort_by(view_ == View::kTasks        ? Field::kNumbers
              : view_ == View::kNamespaces ? Field::kInode
                                           : Field::kName);
      return {};
    case '<':
      sort_beside(-1);
      return {};
    case '>':
      sort_beside(1);
      return {};
    case 'R':
    case 'I':
      state().order.descending = !state().order.descending;
      list_again();
      return {};
    case '/':
    case '\\':
      filter_before_ = filter_;
      ask(Mode::kFilter, filter_);
      return {};
    case 'k':
      ask_signal();
      return {};
    case 'f':
      return freeze_or_thaw();
    case 'd':
    case 's':
      ask(Mode::kInterval, interval_text(interval_));
      return {};
    case '+':
      set_interval(interval_ * 2);
      return {Wish::kInterval};
    case '-':
      set_interval(interval_ / 2);
      return {Wish::kInterval};
    case ' ':
      return {Wish::kMeasure};
    default:
      return {};
  }
}

void Ui::ask_signal() {
  const Row* row = chosen_row();
  if (row == nullptr) {
    message_ = "there is nothing to send a signal to";
    return;
  }
  target_ = row->target;
  target_key_ = row->key;
  // As `warren kill`: a process is asked to end, a namespace or group is ended.
  ask(Mode::kSignal, row->target.kind == View::kTasks ? "TERM" : "KILL");
}

Wish Ui::freeze_or_thaw() {
  const Row* row = chosen_row();
  if (view_ != View::kGroups) {
    message_ = "groups are what can be frozen; g shows them";
    return {};
  }
  if (row == nullptr) {
    message_ = "there is no group to freeze";
    return {};
  }
  return {row->target.frozen ? Wish::kThaw : Wish::kFreeze, row->target};
}

Wish Ui::press_input(const Key& key) {
  switch (key.code) {
    case Key::kEnter:
      return finish_input();
    case Key::kEscape:
      if (mode_ == Mode::kFilter) {
        filter_ = filter_before_;
        list_again();
      }
      mode_ = Mode::kList;
      return {};
    case Key::kBackspace:
      erase_last_character(input_);
      break;
    case Key::kEraseLine:
      input_.clear();
      break;
    case Key::kText:
      if (input_.size() + key.text.size() <= kMostInput) input_ += key.text;
      break;
    default:
      return {};
  }
  if (mode_ == Mode::kFilter) {
    filter_ = input_;
    list_again();
  }
  return {};
}

Wish Ui::finish_input() {
  Mode was = mode_;
  mode_ = Mode::kList;
  if (was == Mode::kSignal) {
    auto signal = parse_signal(input_);
    if (!signal || *signal == 0) {
      message_ = "there is no signal " + input_;
      return {};
    }
    signal_ = *signal;
    // As it is now, not as it was when the question began.
    for (size_t i = 0; i < rows().size(); ++i) {
      if (rows()[i].key != target_key_) continue;
      target_ = rows()[i].target;
      if (target_.kind == View::kGroups) target_.processes = processes_below(rows(), i);
    }
    mode_ = Mode::kConfirm;
  } else if (was == Mode::kInterval) {
    double seconds = 0;
    const char* end = input_.data() + input_.size();
    auto [rest, error] = std::from_chars(input_.data(), end, seconds);
    if (error != std::errc() || rest != end || !std::isfinite(seconds) || seconds <= 0) {
      message_ = "not a number of seconds: " + input_;
      return {};
    }
    set_interval(seconds);
    return {Wish::kInterval};
  }
  return {};
}

Wish Ui::press_confirm(const Key& key) {
  mode_ = Mode::kList;
  if (key.code != Key::kText || (key.text != "y" && key.text != "Y")) {
    message_ = "no signal was sent";
    return {};
  }
  for (View view : {View::kGroups, View::kNamespaces, View::kTasks}) {
    const auto& rows = measurement_.rows(view);
    bool there = std::any_of(rows.begin(), rows.end(),
                             [&](const Row& row) { return row.key == target_key_; });
    if (there) return {Wish::kSignal, target_, signal_};
  }
  message_ = target_.title + " has ended meanwhile";
  return {};
}

}  // namespace warren::cli::top
