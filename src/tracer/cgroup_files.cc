#include "tracer/cgroup_files.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <vector>

#include "tracer/cgroup_dir.h"

namespace warren::cgroup {

namespace {

// cpu.shares of v1 for a weight of v2, both as the kernel's scheduler takes them.
constexpr std::int64_t kSharesOfDefault = 1024;
constexpr std::int64_t kDefaultWeight = 100;

// What a file of v1 is called in v2 where the text is the same, and what it is made of where not.
struct Alias {
  std::string_view name;
  const char* kernel;
};
constexpr Alias kAliases[] = {
    {"cpuset.effective_cpus", "cpuset.cpus.effective"},
    {"cpuset.effective_mems", "cpuset.mems.effective"},
    {"memory.usage_in_bytes", "memory.current"},
    {"memory.max_usage_in_bytes", "memory.peak"},
    {"cpu.weight.effective", "cpu.weight"},
};

Result<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return Errno{ERANGE};
  if (error != std::errc() || end != text.data() + text.size()) return Errno{EINVAL};
  return value;
}

// Word `index` of the file; EIO: it has no such word.
Result<std::string> word(int directory, const char* file, std::size_t index) {
  const auto text = read_file(directory, file);
  if (!text) return text;
  const std::vector<std::string> words = words_of(*text);
  if (index >= words.size()) return Errno{EIO};
  return words[index];
}

Result<std::string> line(const Result<std::string>& word, std::string_view of_max) {
  if (!word) return word;
  return (*word == "max" ? std::string(of_max) : *word) + "\n";
}

// "NAME NUMBER" lines.
Result<std::string> field(int directory, const char* file, std::string_view name) {
  const auto text = read_file(directory, file);
  if (!text) return text;
  const std::vector<std::string> words = words_of(*text);
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    if (words[i] == name) return words[i + 1] + "\n";
  }
  return Errno{EOPNOTSUPP};
}

Result<std::string> shares(int directory) {
  const auto weight = word(directory, "cpu.weight", 0);
  if (!weight) return weight;
  const auto value = number(*weight);
  if (!value) return value.error();
  return std::to_string(*value * kSharesOfDefault / kDefaultWeight) + "\n";
}

Result<void> write_shares(int directory, std::string_view text) {
  const auto value = number(text);
  if (!value) return value.error();
  const std::int64_t inside = std::clamp<std::int64_t>(*value, 2, 262144);
  const std::int64_t weight = inside * kDefaultWeight / kSharesOfDefault;
  return write_file(directory, "cpu.weight",
                    std::to_string(std::clamp<std::int64_t>(weight, 1, 10000)));
}

Result<void> write_quota(int directory, std::string_view text) {
  const auto value = number(text);
  if (!value) return value.error();
  // The period stays.
  return write_file(directory, "cpu.max", *value < 0 ? "max" : text);
}

Result<void> write_period(int directory, std::string_view text) {
  if (const auto value = number(text); !value) return value.error();
  const auto quota = word(directory, "cpu.max", 0);
  if (!quota) return quota.error();
  return write_file(directory, "cpu.max", *quota + " " + std::string(text));
}

constexpr Alias kMade[] = {
    {"cpu.cfs_quota_us", "cpu.max"},
    {"cpu.cfs_period_us", "cpu.max"},
    {"cpu.shares", "cpu.weight"},
    {"memory.limit_in_bytes", "memory.max"},
    {"memory.failcnt", "memory.events.local"},
};

const Alias* find_alias(std::string_view file) {
  for (const Alias& alias : kAliases) {
    if (alias.name == file) return &alias;
  }
  return nullptr;
}

}  // namespace

std::string kernel_name(std::string_view file) {
  for (const Alias& made : kMade) {
    if (made.name == file) return made.kernel;
  }
  const Alias* alias = find_alias(file);
  return alias != nullptr ? alias->kernel : std::string(file);
}

Result<std::string> read_as(int directory, bool root, std::string_view file) {
  if (file == "cpu.cfs_quota_us") return line(word(directory, "cpu.max", 0), "-1");
  if (file == "cpu.cfs_period_us") return line(word(directory, "cpu.max", 1), "-1");
  if (file == "cpu.shares") return shares(directory);
  if (file == "memory.limit_in_bytes") return line(word(directory, "memory.max", 0), "-1");
  if (file == "memory.failcnt") return field(directory, "memory.events.local", "max");
  // A root says what the container has.
  if (root && file == "cpuset.cpus") return read_file(directory, "cpuset.cpus.effective");
  if (root && file == "cpuset.mems") return read_file(directory, "cpuset.mems.effective");
  return read_file(directory, kernel_name(file));
}

Result<void> write_as(int directory, std::string_view file, std::string_view text) {
  if (file == "cpu.cfs_quota_us") return write_quota(directory, text);
  if (file == "cpu.cfs_period_us") return write_period(directory, text);
  if (file == "cpu.shares") return write_shares(directory, text);
  if (file == "memory.limit_in_bytes") {
    return write_file(directory, "memory.max", text == "-1" ? "max" : text);
  }
  // The kernel's v2 begins no count anew.
  if (file == "memory.failcnt" || find_alias(file) != nullptr) return Errno{EOPNOTSUPP};
  // An empty list is said by a newline: a write of nothing does not come to the kernel's file.
  return write_file(directory, std::string(file), text.empty() ? "\n" : text);
}

}  // namespace warren::cgroup
