#include "cli/signals.h"

#include <signal.h>
#include <string.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace warren::cli {
namespace {

std::optional<int> number(std::string_view text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// RTMIN, RTMIN+n, RTMAX, RTMAX-n.
std::optional<int> real_time(std::string_view name) {
  bool from_min = name.starts_with("RTMIN");
  if (!from_min && !name.starts_with("RTMAX")) return std::nullopt;
  std::string_view rest = name.substr(5);
  int offset = 0;
  if (!rest.empty()) {
    if (rest.front() != (from_min ? '+' : '-')) return std::nullopt;
    auto value = number(rest.substr(1));
    if (!value || *value < 0) return std::nullopt;
    offset = *value;
  }
  if (offset > SIGRTMAX - SIGRTMIN) return std::nullopt;
  return from_min ? SIGRTMIN + offset : SIGRTMAX - offset;
}

}  // namespace

Result<int> parse_signal(std::string_view text) {
  if (auto value = number(text)) {
    if (*value < 0 || *value > SIGRTMAX) return Errno{EINVAL};
    return *value;
  }
  std::string name(text);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(toupper(c)); });
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    const char* abbreviation = sigabbrev_np(signal);
    if (abbreviation != nullptr && name == abbreviation) return signal;
  }
  if (auto signal = real_time(name)) return *signal;
  return Errno{EINVAL};
}

std::string signal_name(int signal) {
  if (const char* abbreviation = sigabbrev_np(signal)) return std::string("SIG") + abbreviation;
  if (signal >= SIGRTMIN && signal <= SIGRTMAX) {
    return "SIGRTMIN+" + std::to_string(signal - SIGRTMIN);
  }
  return "signal " + std::to_string(signal);
}

}  // namespace warren::cli
