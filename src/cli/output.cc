#include "cli/output.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "cli/report.h"

namespace warren::cli {
namespace {

std::array<bool, 3> was_open = {true, true, true};

}  // namespace

Terminal stdout_terminal() {
  Terminal terminal;
  if (!isatty(STDOUT_FILENO)) return terminal;
  const char* no_colour = getenv("NO_COLOR");
  const char* type = getenv("TERM");
  bool dumb = type == nullptr || strcmp(type, "dumb") == 0;
  terminal.colour = !dumb && (no_colour == nullptr || *no_colour == '\0');
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) terminal.width = size.ws_col;
  return terminal;
}

Result<void> write_stdout(std::string_view text) {
  while (!text.empty()) {
    ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return Errno{errno};
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

int print(std::string_view text) {
  auto written = write_stdout(text);
  if (written) return 0;
  return report({"write", "standard output", written.error_code(), "nothing was shown"});
}

void hold_standard_fds() {
  for (int fd = 0; fd < 3; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    was_open[static_cast<size_t>(fd)] = false;
    // The wrong direction, so that use fails; the lowest free number is `fd`.
    int mode = fd == 0 ? O_WRONLY : O_RDONLY;
    if (open("/dev/null", mode | O_CLOEXEC) != fd) return;
  }
}

bool standard_fd_open(int fd) { return was_open[static_cast<size_t>(fd)]; }

}  // namespace warren::cli
