#include "cli/top/screen.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <cstring>

#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <curses.h>

#include "cli/output.h"
#include "cli/top/terminfo.h"

namespace warren::cli::top {
namespace {

constexpr int kEscapeDelay = 50;  // ms in which the rest of a key's sequence comes
constexpr std::array kFaults = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};

// What a fault needs to give the terminal back: curses is not to be called in a signal handler.
termios saved_modes;
char leave_sequence[256];
size_t leave_size = 0;

void give_back_and_die(int signal) {
  [[maybe_unused]] ssize_t written = write(STDOUT_FILENO, leave_sequence, leave_size);
  tcsetattr(STDIN_FILENO, TCSANOW, &saved_modes);
  // SA_RESETHAND has put the default back, and the signal is blocked until this returns.
  raise(signal);
}

void prepare_for_faults() {
  std::string sequence;
  for (const char* name : {"sgr0", "cnorm", "rmkx", "rmcup"}) sequence += terminfo_string(name);
  leave_size = std::min(sequence.size(), sizeof leave_sequence);
  memcpy(leave_sequence, sequence.data(), leave_size);
  struct sigaction action {};
  action.sa_handler = give_back_and_die;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (int signal : kFaults) sigaction(signal, &action, nullptr);
}

void forget_faults() {
  for (int fault : kFaults) signal(fault, SIG_DFL);
}

std::string to_utf8(wint_t wide) {
  std::string text;
  mbstate_t state{};
  char buffer[16];
  size_t size = wcrtomb(buffer, static_cast<wchar_t>(wide), &state);
  if (size != static_cast<size_t>(-1)) text.assign(buffer, size);
  return text;
}

Key special_key(wint_t code) {
  if (code > KEY_F(0) && code <= KEY_F(10)) {
    return {static_cast<Key::Code>(Key::kF1 + static_cast<int>(code) - KEY_F(1)), ""};
  }
  switch (code) {
    case KEY_UP:
      return {Key::kUp, ""};
    case KEY_DOWN:
      return {Key::kDown, ""};
    case KEY_LEFT:
      return {Key::kLeft, ""};
    case KEY_RIGHT:
      return {Key::kRight, ""};
    case KEY_PPAGE:
      return {Key::kPageUp, ""};
    case KEY_NPAGE:
      return {Key::kPageDown, ""};
    case KEY_HOME:
      return {Key::kHome, ""};
    case KEY_END:
      return {Key::kEnd, ""};
    case KEY_BTAB:
      return {Key::kBackTab, ""};
    case KEY_ENTER:
      return {Key::kEnter, ""};
    case KEY_BACKSPACE:
    case KEY_DC:
      return {Key::kBackspace, ""};
    default:
      return {};
  }
}

Key typed_key(wint_t character) {
  switch (character) {
    case '\t':
      return {Key::kTab, ""};
    case '\r':
    case '\n':
      return {Key::kEnter, ""};
    case 27:
      return {Key::kEscape, ""};
    case 8:
    case 127:
      return {Key::kBackspace, ""};
    case 'U' - '@':
      return {Key::kEraseLine, ""};
    case 'L' - '@':
      return {Key::kRedraw, ""};
    default:
      break;
  }
  if (character < 32) return {};
  return {Key::kText, to_utf8(character)};
}

attr_t attributes(Style style, bool colour) {
  switch (style) {
    case Style::kPlain:
      return A_NORMAL;
    case Style::kBold:
      return A_BOLD;
    case Style::kDim:
      return A_DIM;
    default:
      break;
  }
  if (!colour) return A_NORMAL;
  return COLOR_PAIR(static_cast<int>(style));
}

}  // namespace

std::unique_ptr<Screen> Screen::open(std::string& why) {
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
    why = "standard input and output are not a terminal";
    return nullptr;
  }
  why = terminal_type_complaint();
  if (!why.empty()) return nullptr;
  if (tcgetattr(STDIN_FILENO, &saved_modes) != 0) {
    why = strerror(errno);
    return nullptr;
  }
  set_escdelay(kEscapeDelay);
  if (newterm(nullptr, stdout, stdin) == nullptr) {
    why = "this terminal is not one that can be drawn on";
    return nullptr;
  }
  auto screen = std::unique_ptr<Screen>(new Screen);
  cbreak();
  noecho();
  nonl();
  curs_set(0);
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  intrflush(stdscr, FALSE);
  screen->colour_ = stdout_terminal().colour && has_colors() && start_color() == OK;
  if (screen->colour_) {
    use_default_colors();
    init_pair(static_cast<short>(Style::kGreen), COLOR_GREEN, -1);
    init_pair(static_cast<short>(Style::kYellow), COLOR_YELLOW, -1);
    init_pair(static_cast<short>(Style::kRed), COLOR_RED, -1);
    init_pair(static_cast<short>(Style::kCyan), COLOR_CYAN, -1);
  }
  prepare_for_faults();
  return screen;
}

Screen::~Screen() {
  forget_faults();
  endwin();
}

Size Screen::size() const {
  return {static_cast<size_t>(std::max(getmaxx(stdscr), 1)),
          static_cast<size_t>(std::max(getmaxy(stdscr), 1))};
}

void Screen::resized() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return;
  resize_term(size.ws_row, size.ws_col);
  clearok(stdscr, TRUE);
}

void Screen::show(const Frame& frame) {
  werase(stdscr);
  int columns = getmaxx(stdscr);
  for (size_t y = 0; y < frame.lines.size(); ++y) {
    const Line& line = frame.lines[y];
    wmove(stdscr, static_cast<int>(y), 0);
    for (const Piece& piece : line.pieces) {
      wattrset(stdscr, static_cast<int>(attributes(piece.style, colour_ && !line.reverse) |
                                        (line.reverse ? A_REVERSE : A_NORMAL)));
      waddnstr(stdscr, piece.text.c_str(), static_cast<int>(piece.text.size()));
    }
    // Where the text has filled the line, the cursor is on the next one already.
    int at_line = getcury(stdscr), at_column = getcurx(stdscr);
    wattrset(stdscr, A_NORMAL);
    if (line.reverse && at_line == static_cast<int>(y) && at_column < columns) {
      mvwchgat(stdscr, at_line, at_column, -1, A_REVERSE, 0, nullptr);
    }
  }
  curs_set(frame.cursor ? 1 : 0);
  if (frame.cursor) {
    wmove(stdscr, static_cast<int>(frame.input_line), static_cast<int>(*frame.cursor));
  }
  wrefresh(stdscr);
}

void Screen::redraw() { clearok(stdscr, TRUE); }

std::optional<Key> Screen::next_key() {
  for (;;) {
    wint_t code = 0;
    int kind = wget_wch(stdscr, &code);
    if (kind == ERR) return std::nullopt;
    if (kind != KEY_CODE_YES) return typed_key(code);
    if (code != KEY_RESIZE) return special_key(code);
  }
}

void Screen::leave() {
  curs_set(1);
  endwin();
}

void Screen::enter() {
  resized();
  clearok(stdscr, TRUE);
  wrefresh(stdscr);
}

}  // namespace warren::cli::top
