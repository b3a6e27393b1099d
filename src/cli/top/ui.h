// What the screen shows and what keys do, apart from any terminal: keys go in, wishes and frames
// come out.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cli/top/listing.h"
#include "cli/top/rows.h"

namespace warren::cli::top {

struct Key {
  enum Code {
    kText,  // `text` is the character, UTF-8
    kUp,
    kDown,
    kLeft,
    kRight,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kTab,
    kBackTab,
    kEnter,
    kEscape,
    kBackspace,
    kEraseLine,  // Ctrl-U
    kRedraw,     // Ctrl-L
    kF1,
    kF2,
    kF3,
    kF4,
    kF5,
    kF6,
    kF7,
    kF8,
    kF9,
    kF10,
    kOther,
  };
  Code code = kOther;
  std::string text;
};

// What the user wants that is not the screen's own business.
struct Wish {
  enum Kind { kNothing, kQuit, kMeasure, kSignal, kFreeze, kThaw, kInterval, kRedraw };
  Kind kind = kNothing;
  Target target;  // of kSignal, kFreeze, kThaw
  int signal = 0;
};

struct Settings {
  double interval = 2;
  std::optional<View> view;  // none: groups if there are any, else tasks
  std::optional<Field> sort;
  std::optional<bool> tree;
  std::string filter;
  bool all_containers = false;
};

constexpr double kLeastInterval = 0.1;
constexpr double kMostInterval = 3600;

enum class Mode { kList, kHelp, kFilter, kSignal, kConfirm, kInterval };

// Single-threaded.
class Ui {
 public:
  explicit Ui(const Settings& settings);

  // A new measurement. What was chosen stays chosen if it is still there.
  void update(Measurement measurement);
  // One line to the user, until the next key.
  void tell(std::string message) { message_ = std::move(message); }
  // How many rows the list has room for; scrolls so that the chosen row is among them.
  void set_room(size_t rows);
  Wish press(const Key& key);

  // For drawing.
  const Measurement& measurement() const { return measurement_; }
  View view() const { return view_; }
  const Order& order() const { return state().order; }
  Mode mode() const { return mode_; }
  double interval() const { return interval_; }
  const std::string& filter() const { return filter_; }
  const std::string& message() const { return message_; }
  const std::string& input() const { return input_; }  // of the line being typed
  std::string question() const;                        // what stands before it
  bool all_containers() const { return all_containers_; }
  size_t sideways() const { return sideways_; }
  bool measured() const { return measured_; }
  const std::vector<Row>& rows() const { return measurement_.rows(view_); }
  const std::vector<Shown>& shown() const { return shown_; }
  size_t first() const { return state().first; }
  size_t chosen() const { return state().chosen; }  // index in shown(); 0 if that is empty
  // Columns of the list, before any is dropped for want of room.
  std::vector<ColumnSpec> columns() const;

 private:
  struct ViewState {
    Order order;
    size_t chosen = 0;
    size_t first = 0;        // row at the top of the list
    std::string chosen_key;  // empty: whatever comes first
  };
  ViewState& state() { return states_[static_cast<size_t>(view_)]; }
  const ViewState& state() const { return states_[static_cast<size_t>(view_)]; }

  void list_again();
  void scroll();
  void choose(size_t index);
  void move(long by);
  void show(View view);
  void sort_by(Field field);
  void sort_beside(int by);
  void set_interval(double seconds);
  void ask(Mode mode, std::string input = "");
  const Row* chosen_row() const;
  std::optional<Wish> press_move(const Key& key);
  Wish press_list(const Key& key);
  Wish press_letter(char letter);
  Wish press_input(const Key& key);
  Wish press_confirm(const Key& key);
  Wish finish_input();
  void ask_signal();
  Wish freeze_or_thaw();

  ViewState states_[3];
  View view_ = View::kTasks;
  bool view_given_ = false;
  bool measured_ = false;
  Mode mode_ = Mode::kList;
  double interval_;
  bool all_containers_;
  std::string filter_, filter_before_, message_, input_;
  size_t room_ = 1;
  size_t sideways_ = 0;
  Measurement measurement_;
  std::vector<Shown> shown_;
  Target target_;           // of the signal being asked for
  std::string target_key_;  // of its row
  int signal_ = 0;
};

}  // namespace warren::cli::top
