#include "tracer/procfs/rewrite.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <iterator>
#include <optional>

namespace warren::procfs {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }

// The whole of `text` as a decimal number, perhaps negative.
std::optional<int> to_int(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Cuts the next line, with its newline if it has one, off the front of `text`.
std::string_view cut_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const size_t length = end == std::string_view::npos ? text.size() : end + 1;
  const std::string_view line = text.substr(0, length);
  text.remove_prefix(length);
  return line;
}

// Numbers of 0 and below are not identities: 0 is nobody, -1 stands for "none" in several files.
int translate(int host, const ProcView& view) { return host > 0 ? view.to_guest(host) : host; }

// The value of "KEY:\tVALUE\n"; none if the line has another key.
std::optional<std::string_view> value_of(std::string_view line, std::string_view key) {
  if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') return {};
  line.remove_prefix(key.size() + 1);
  while (!line.empty() && (is_blank(line.front()))) line.remove_prefix(1);
  while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  return line;
}

void append_levels(std::string& out, std::string_view key, const std::vector<int>& levels) {
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{}:", key);
  for (const int nr : levels) fmt::format_to(to, "\t{}", nr);
  out += '\n';
}

const char* state_name(char state) {
  switch (state) {
    case 'R':
      return "R (running)";
    case 'T':
      return "T (stopped)";
    default:
      return "S (sleeping)";
  }
}

// A lock line of /proc/locks, or of fdinfo after "lock:\t":
// "1: -> POSIX  ADVISORY  WRITE 1234 00:0f:77 0 EOF\n". Appends it translated; nothing if its owner
// is not visible. The owner is the word before MAJ:MIN:INODE.
void append_lock(std::string& out, std::string_view prefix, std::string_view line,
                 const ProcView& view) {
  size_t at = line.find(' ');  // behind the "1:", which has a colon of its own
  const size_t device = at == std::string_view::npos ? at : line.find(':', at);
  const size_t device_start = device == std::string_view::npos ? device : line.rfind(' ', device);
  if (device_start == std::string_view::npos || device_start == 0) {
    out.append(prefix).append(line);
    return;
  }
  const size_t owner_start = line.rfind(' ', device_start - 1) + 1;
  const auto owner = to_int(line.substr(owner_start, device_start - owner_start));
  if (!owner) {
    out.append(prefix).append(line);
    return;
  }
  const int nr = translate(*owner, view);
  if (nr == 0) return;
  out.append(prefix).append(line.substr(0, owner_start));
  fmt::format_to(std::back_inserter(out), "{}", nr);
  out.append(line.substr(device_start));
}

}  // namespace

char visible_state(char state, const TaskNumbers& numbers, bool is_caller) {
  if (is_caller && (state == 't' || state == 'S' || state == 'D')) return 'R';
  if (state != 't' || numbers.trace_stopped) return state;
  return numbers.group_stopped ? 'T' : 'R';
}

std::string rewrite_stat(std::string_view text, const TaskNumbers& numbers, bool is_caller,
                         const ProcView& view) {
  const size_t comm = text.find('(');
  const size_t comm_end = text.rfind(')');
  if (comm == std::string_view::npos || comm_end == std::string_view::npos || comm_end < comm)
    return std::string(text);
  // ") S ppid pgrp session tty_nr tpgid ..."
  constexpr int kFields = 6;
  std::string_view fields[kFields];
  size_t at = comm_end + 1;
  for (std::string_view& field : fields) {
    if (at >= text.size() || text[at] != ' ') return std::string(text);
    const size_t end = text.find(' ', at + 1);
    if (end == std::string_view::npos) return std::string(text);
    field = text.substr(at + 1, end - at - 1);
    at = end;
  }
  const auto tpgid = to_int(fields[5]);
  if (fields[0].size() != 1 || !tpgid) return std::string(text);
  return fmt::format(
      "{} {} {} {} {} {} {} {}{}", numbers.pid.front(), text.substr(comm, comm_end + 1 - comm),
      visible_state(fields[0][0], numbers, is_caller), numbers.ppid, numbers.pgid.front(),
      numbers.sid.front(), fields[4], translate(*tpgid, view), text.substr(at));
}

std::string rewrite_status(std::string_view text, const TaskNumbers& numbers, bool is_caller,
                           const ProcView& view) {
  std::string out;
  out.reserve(text.size() + 64);
  auto to = std::back_inserter(out);
  while (!text.empty()) {
    const std::string_view line = cut_line(text);
    if (const auto state = value_of(line, "State"); state && !state->empty()) {
      const char shown = visible_state(state->front(), numbers, is_caller);
      if (shown != state->front())
        fmt::format_to(to, "State:\t{}\n", state_name(shown));
      else
        out.append(line);
    } else if (value_of(line, "Tgid")) {
      fmt::format_to(to, "Tgid:\t{}\n", numbers.tgid.front());
    } else if (const auto ngid = value_of(line, "Ngid")) {
      fmt::format_to(to, "Ngid:\t{}\n", translate(to_int(*ngid).value_or(0), view));
    } else if (value_of(line, "Pid")) {
      fmt::format_to(to, "Pid:\t{}\n", numbers.pid.front());
    } else if (value_of(line, "PPid")) {
      fmt::format_to(to, "PPid:\t{}\n", numbers.ppid);
    } else if (value_of(line, "TracerPid")) {
      fmt::format_to(to, "TracerPid:\t{}\n", numbers.tracer);
    } else if (const auto ignored = value_of(line, "SigIgn"); ignored && numbers.ignored_unknown) {
      const std::uint64_t all = std::strtoull(std::string(*ignored).c_str(), nullptr, 16);
      fmt::format_to(to, "SigIgn:\t{:016x}\n", all & ~numbers.ignored_unknown);
    } else if (value_of(line, "NStgid")) {
      append_levels(out, "NStgid", numbers.tgid);
    } else if (value_of(line, "NSpid")) {
      append_levels(out, "NSpid", numbers.pid);
    } else if (value_of(line, "NSpgid")) {
      append_levels(out, "NSpgid", numbers.pgid);
    } else if (value_of(line, "NSsid")) {
      append_levels(out, "NSsid", numbers.sid);
    } else {
      out.append(line);
    }
  }
  return out;
}

std::string rewrite_sched(std::string_view text, const TaskNumbers& numbers) {
  // "comm (1234, #threads: 1)"; comm may hold parentheses and newlines, so the marker decides
  const size_t threads = text.rfind(", #threads: ");
  if (threads == std::string_view::npos) return std::string(text);
  size_t start = threads;
  while (start > 0 && is_digit(text[start - 1])) --start;
  return fmt::format("{}{}{}", text.substr(0, start), numbers.pid.front(), text.substr(threads));
}

std::string rewrite_children(std::string_view text, const ProcView& view) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (const auto host = to_int(text.substr(0, end))) {
      const int nr = translate(*host, view);
      if (nr > 0) fmt::format_to(std::back_inserter(out), "{} ", nr);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string rewrite_fdinfo(std::string_view text, const ProcView& view) {
  std::string out;
  int pidfd_host = 0;
  while (!text.empty()) {
    const std::string_view line = cut_line(text);
    if (const auto lock = value_of(line, "lock")) {
      append_lock(out, "lock:\t", line.substr(line.find('\t') + 1), view);
    } else if (const auto pid = value_of(line, "Pid")) {
      pidfd_host = to_int(*pid).value_or(0);
      fmt::format_to(std::back_inserter(out), "Pid:\t{}\n", translate(pidfd_host, view));
    } else if (value_of(line, "NSpid") && pidfd_host > 0) {
      TaskNumbers numbers;
      if (view.numbers(pidfd_host, &numbers))
        append_levels(out, "NSpid", numbers.pid);
      else
        out.append("NSpid:\t0\n");
    } else {
      out.append(line);
    }
  }
  return out;
}

std::string rewrite_timers(std::string_view text, const ProcView& view) {
  std::string out;
  while (!text.empty()) {
    const std::string_view line = cut_line(text);
    const size_t dot = line.rfind('.');
    const auto notify = value_of(line, "notify");
    const auto host = !notify || dot == std::string_view::npos
                          ? std::nullopt
                          : to_int(line.substr(dot + 1, line.find('\n') - dot - 1));
    if (host)
      fmt::format_to(std::back_inserter(out), "{}{}\n", line.substr(0, dot + 1),
                     translate(*host, view));
    else
      out.append(line);
  }
  return out;
}

std::string rewrite_locks(std::string_view text, const ProcView& view) {
  std::string out;
  while (!text.empty()) append_lock(out, "", cut_line(text), view);
  return out;
}

std::string rewrite_loadavg(std::string_view text, int last_pid) {
  const size_t last = text.rfind(' ');
  if (last == std::string_view::npos) return std::string(text);
  return fmt::format("{} {}\n", text.substr(0, last), last_pid);
}

std::string rewrite_sysvipc(std::string_view text, int first_column, int second_column,
                            const ProcView& view) {
  std::string out(cut_line(text));  // the heading
  while (!text.empty()) {
    const std::string_view line = cut_line(text);
    size_t at = 0;
    for (int column = 0; at < line.size(); ++column) {
      const size_t start = at;
      while (at < line.size() && is_blank(line[at])) ++at;
      const size_t word = at;
      while (at < line.size() && !is_blank(line[at])) ++at;
      const auto host = to_int(line.substr(word, at - word));
      if ((column == first_column || column == second_column) && host) {
        // The separating blank is not part of the number's own width.
        const int width = static_cast<int>(at - start) - 1;
        fmt::format_to(std::back_inserter(out), " {:>{}}", translate(*host, view), width);
      } else {
        out.append(line.substr(start, at - start));
      }
    }
  }
  return out;
}

}  // namespace warren::procfs
