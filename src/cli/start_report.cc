#include "cli/start_report.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "cli/output.h"
#include "cli/report.h"

namespace warren::cli {
namespace {

// A record: kind, text, NUL. Failures begin with the exit status as a byte.
constexpr char kName = 'N', kStarting = 'S', kStarted = 'D', kFailed = 'F';

[[noreturn]] void fail(const char* what, int error) { _exit(report({what, "", error, ""})); }

[[noreturn]] void finish(int fd) {
  StartOutcome outcome = read_start(fd);
  if (!outcome.started) {
    report_line(outcome.error);
    _exit(outcome.exit_status);
  }
  _exit(print(outcome.name + "\n"));
}

}  // namespace

void StartReport::send(char kind, std::string_view text) const {
  if (!fd_) return;
  std::string record(1, kind);
  record += text.substr(0, PIPE_BUF - 2);
  record += '\0';
  // If the reader is gone, nobody waits for this.
  [[maybe_unused]] ssize_t written = write(fd_.get(), record.data(), record.size());
}

void StartReport::name(std::string_view name) const { send(kName, name); }
void StartReport::starting() const { send(kStarting, ""); }
void StartReport::started() const { send(kStarted, ""); }
void StartReport::failed(int exit_status, std::string_view line) const {
  send(kFailed, std::string(1, static_cast<char>(exit_status)) + std::string(line));
}

StartOutcome read_start(int fd) {
  StartOutcome outcome;
  outcome.exit_status = kOwnFailure;
  outcome.error = "run: the supervisor ended before the container had started";
  std::string bytes;
  char buffer[PIPE_BUF];
  for (;;) {
    for (size_t end; (end = bytes.find('\0')) != std::string::npos; bytes.erase(0, end + 1)) {
      std::string text = bytes.substr(1, end - 1);
      if (bytes[0] == kName) outcome.name = text;
      if (bytes[0] == kStarting || bytes[0] == kStarted) outcome.started = true;
      if (bytes[0] == kFailed && !text.empty()) {
        outcome.started = false;
        outcome.exit_status = static_cast<unsigned char>(text[0]);
        outcome.error = text.substr(1);
      }
      // Others may still hold the pipe, so its end is not waited for.
      if (bytes[0] == kStarted || bytes[0] == kFailed) return outcome;
    }
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return outcome;
    bytes.append(buffer, static_cast<size_t>(got));
  }
}

StartReport detach() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) fail("pipe", errno);
  UniqueFd reader(ends[0]), writer(ends[1]);
  const pid_t caller = getpid();
  pid_t child = fork();
  if (child < 0) fail("fork", errno);
  if (child > 0) {
    writer.reset();
    finish(reader.get());
  }
  // Twice: the process that stays leads no session, so it can never get a terminal by opening one,
  // and the caller never has it as a child to reap.
  StartReport report(std::move(writer));
  report.callers_ = {caller, getpid()};
  setsid();
  pid_t second = fork();
  if (second < 0) {
    report.failed(kOwnFailure, describe({"fork", "", errno, ""}));
    _exit(kOwnFailure);
  }
  if (second > 0) _exit(0);
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; null && fd < 3; ++fd) dup2(null.get(), fd);
  if (null.get() < 3) null.release();
  return report;
}

}  // namespace warren::cli
