// The terminal, through curses. It is put back as it was whatever ends this program, short of
// SIGKILL.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/top/draw.h"

namespace warren::cli::top {

// One at a time, one thread.
class Screen {
 public:
  // Takes the terminal of stdin and stdout. On failure the terminal is untouched, and `why` says
  // what is amiss, for the user.
  static std::unique_ptr<Screen> open(std::string& why);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  Size size() const;
  // The terminal's size has changed.
  void resized();
  void show(const Frame& frame);
  // Everything anew, over whatever others have written there.
  void redraw();
  // What was typed and is not taken yet; nullopt: nothing.
  std::optional<Key> next_key();
  // Gives the terminal back for a while, as for Ctrl-Z; and takes it again.
  void leave();
  void enter();

 private:
  Screen() = default;
  bool colour_ = false;
};

}  // namespace warren::cli::top
