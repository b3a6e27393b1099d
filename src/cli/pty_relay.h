// A pseudo terminal between the user's terminal and a guest.
#pragma once

#include <poll.h>
#include <termios.h>

#include <string>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren::cli {

// Carries what is typed on stdin to the guest's terminal and what that shows to stdout. The user's
// terminal is raw meanwhile: Ctrl-C and its like act inside. Not thread-safe.
class PtyRelay {
 public:
  // A new terminal with the size and settings of the user's, if stdin is one. Errors: those of
  // posix_openpt(3).
  static Result<PtyRelay> open();
  PtyRelay(PtyRelay&&) noexcept;
  ~PtyRelay();  // puts the user's terminal back

  int terminal() const { return slave_.get(); }  // for the guest; until begin()
  void begin();                                  // the guest has it: close ours, go raw
  void resize();                                 // the user's terminal has changed its size

  // One round of an event loop: prepare() says what to poll for, serve() acts on it.
  void prepare(pollfd& input, pollfd& output) const;
  void serve(const pollfd& input, const pollfd& output);

  // What the guest still had to show when it ended.
  void drain();

 private:
  PtyRelay() = default;
  bool show();  // false: nothing there now, or the terminal is closed
  void take_input();

  UniqueFd master_, slave_;
  std::string typed_;  // not yet taken by the guest's terminal
  termios saved_{};
  bool raw_ = false;
  bool input_open_ = true, output_open_ = true;
  bool line_begun_ = false;  // the last thing typed was no newline
};

}  // namespace warren::cli
