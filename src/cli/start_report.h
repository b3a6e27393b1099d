// What a detached run tells the command that started it, over a pipe: that it started, or why not.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace warren::cli {

// The writing end, passed through forks to the process that knows; closed by execve. Each call is
// one atomic write, so several processes may hold it. A report on no descriptor does nothing.
class StartReport {
 public:
  StartReport() = default;
  explicit StartReport(UniqueFd fd) : fd_(std::move(fd)) {}

  bool wanted() const { return fd_.ok(); }
  void name(std::string_view name) const;  // what to print for the user
  void starting() const;  // it has started if nothing else comes before the end of the stream
  void started() const;   // the last word, as failed() is
  void failed(int exit_status, std::string_view line) const;
  void close() { fd_.reset(); }
  // The processes between the command that was started and this one; they have ended, or will.
  const std::vector<pid_t>& callers() const { return callers_; }

 private:
  void send(char kind, std::string_view text) const;
  friend StartReport detach();
  UniqueFd fd_;
  std::vector<pid_t> callers_;
};

// What the reader made of it: at the last word or at the end of the stream.
struct StartOutcome {
  bool started = false;
  int exit_status = 0;
  std::string name;
  std::string error;
};
StartOutcome read_start(int fd);

// Puts the rest of the program into the background: a process in a session of its own, with
// /dev/null as standard input, output and error. Returns there with the report. The calling process
// does not return: it waits for the report, prints the name or the error, and exits.
StartReport detach();

}  // namespace warren::cli
