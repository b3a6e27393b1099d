#include "cli/pty_relay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <utility>

#include "cli/output.h"

namespace warren::cli {
namespace {

constexpr size_t kChunk = 16 * 1024;

}  // namespace

Result<PtyRelay> PtyRelay::open() {
  PtyRelay relay;
  relay.master_.reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!relay.master_ || grantpt(relay.master_.get()) < 0 || unlockpt(relay.master_.get()) < 0) {
    return Errno{errno};
  }
  char name[128];
  if (int error = ptsname_r(relay.master_.get(), name, sizeof name); error != 0) {
    return Errno{error};
  }
  relay.slave_.reset(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!relay.slave_) return Errno{errno};
  if (tcgetattr(STDIN_FILENO, &relay.saved_) == 0) {
    tcsetattr(relay.slave_.get(), TCSANOW, &relay.saved_);
    relay.resize();
  }
  return relay;
}

PtyRelay::PtyRelay(PtyRelay&& other) noexcept
    : master_(std::move(other.master_)),
      slave_(std::move(other.slave_)),
      typed_(std::move(other.typed_)),
      saved_(other.saved_),
      raw_(std::exchange(other.raw_, false)),
      input_open_(other.input_open_),
      output_open_(other.output_open_),
      line_begun_(other.line_begun_) {}

PtyRelay::~PtyRelay() {
  if (raw_) tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_);
}

void PtyRelay::begin() {
  slave_.reset();
  if (!isatty(STDIN_FILENO)) return;
  termios settings = saved_;
  cfmakeraw(&settings);
  raw_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &settings) == 0;
}

void PtyRelay::resize() {
  winsize size;
  if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ioctl(master_.get(), TIOCSWINSZ, &size);
}

void PtyRelay::prepare(pollfd& input, pollfd& output) const {
  // What is typed waits in the user's terminal while the guest does not read.
  input = {input_open_ && typed_.empty() ? STDIN_FILENO : -1, POLLIN, 0};
  short events = typed_.empty() ? POLLIN : POLLIN | POLLOUT;
  output = {output_open_ ? master_.get() : -1, events, 0};
}

void PtyRelay::take_input() {
  char buffer[kChunk];
  ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
  if (got > 0) {
    typed_.append(buffer, static_cast<size_t>(got));
    line_begun_ = buffer[got - 1] != '\n';
  } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
    input_open_ = false;
    // The guest's terminal cannot be half closed; its end-of-file character says the same. In the
    // middle of a line the first one only ends the line (termios(3)).
    termios settings;
    if (tcgetattr(master_.get(), &settings) == 0) {
      typed_.append(line_begun_ ? 2 : 1, static_cast<char>(settings.c_cc[VEOF]));
    }
  }
}

void PtyRelay::serve(const pollfd& input, const pollfd& output) {
  if (input.revents != 0) take_input();
  if (!typed_.empty()) {
    ssize_t written = write(master_.get(), typed_.data(), typed_.size());
    if (written > 0) typed_.erase(0, static_cast<size_t>(written));
  }
  if ((output.revents & (POLLIN | POLLHUP | POLLERR)) != 0) show();
}

bool PtyRelay::show() {
  char buffer[kChunk];
  ssize_t got = read(master_.get(), buffer, sizeof buffer);
  if (got > 0) {
    // If stdout takes nothing any more the guest shall not notice, as with any terminal.
    [[maybe_unused]] auto shown = write_stdout({buffer, static_cast<size_t>(got)});
    return true;
  }
  // EIO: no process has the terminal open any more (ptmx in pty(7)).
  if (got == 0 || (errno != EAGAIN && errno != EINTR)) output_open_ = false;
  return false;
}

void PtyRelay::drain() {
  while (output_open_ && show()) {
  }
}

}  // namespace warren::cli
