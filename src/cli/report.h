// Errors as users see them: one line that says what failed, on what, why, and what to do.
#pragma once

#include <string>
#include <string_view>

namespace warren::cli {

constexpr int kOwnFailure = 125;  // exit status of warren's own failures

// Why a command cannot go on. Shown as "warren: what: on: strerror(error); advice"; empty parts,
// and an error of 0, are left out.
struct Failure {
  std::string what;
  std::string on;
  int error = 0;
  std::string advice;
  int exit_status = kOwnFailure;
};

// The line without "warren: " and newline. Control characters come out as '?'.
std::string describe(const Failure& failure);

// Prints the line on stderr and returns the failure's exit status.
int report(const Failure& failure);

// Prints "warren: LINE" on stderr.
void report_line(std::string_view line);

// `text` with each control character and each byte that is not UTF-8 as '?': what guests put in
// their names must not reach the terminal as commands.
std::string printable(std::string_view text);

}  // namespace warren::cli
