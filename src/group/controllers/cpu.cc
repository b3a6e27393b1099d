// Subsystem "cpu": how much of the processors a group gets. Its weight is made of nice values, its
// bandwidth of freezing (cpu_bandwidth.cc).
#include "group/controllers/cpu.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include "group/controllers/cpuacct.h"
#include "group/controllers/number.h"

namespace warren {
namespace {

using group::parse_number;
using group::parse_unsigned;

// What a nice value from -20 on weighs against others (sched(7): a factor of about 1.25 for each).
constexpr int kLowestNice = -20;
constexpr int kHighestNice = 19;
constexpr std::uint64_t kNiceShares[] = {
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906,  3121,  2501,  1991,  1586,  1277,  1024,  820,   655,   526,   423,  335,  272,  215,
    172,   137,   110,   87,    70,    56,    45,    36,    29,    23,    18,   15};
constexpr std::uint64_t kDefaultShares = 1024;
constexpr std::uint64_t kDefaultWeight = 100;
constexpr std::uint64_t kMaxWeight = 10000;
constexpr std::uint64_t kMinShares = 2;
constexpr std::uint64_t kMaxShares = 262144;

// Microseconds.
constexpr std::uint64_t kMinPeriod = 1'000;
constexpr std::uint64_t kMaxPeriod = 1'000'000;
constexpr std::uint64_t kMinQuota = 1'000;
constexpr std::uint64_t kMaxQuota = std::uint64_t{1} << 44;

std::uint64_t divide(std::uint64_t a, std::uint64_t b) { return (a + b / 2) / b; }

std::uint64_t weight_of(std::uint64_t shares) {
  return divide(shares * kDefaultWeight, kDefaultShares);
}

// The nearest.
int nice_of(std::uint64_t shares) {
  const auto distance = [&](std::uint64_t a) { return a > shares ? a - shares : shares - a; };
  const auto* nearest =
      std::min_element(std::begin(kNiceShares), std::end(kNiceShares),
                       [&](std::uint64_t a, std::uint64_t b) { return distance(a) < distance(b); });
  return kLowestNice + static_cast<int>(nearest - std::begin(kNiceShares));
}

// A group inside a group with half the weight has half of what it would have.
int effective_nice(const CpuState& state) {
  double shares = kDefaultShares;
  for (const CpuState* at = &state; at != nullptr; at = at->parent()) {
    shares = shares * static_cast<double>(at->shares) / kDefaultShares;
  }
  return nice_of(static_cast<std::uint64_t>(std::min(shares, 1e9)));
}

void set_nice(CpuState& state, Task& task, int nice) {
  if (state.host.set_nice(task, nice).error_code() == EACCES) state.refused = true;
}

void apply_shares(CpuState& top) {
  for_subtree(top, [](CpuState& state) {
    const int nice = effective_nice(state);
    state.refused = false;
    state.groups().for_each_task(state.group(), [&](Task& task) { set_nice(state, task, nice); });
  });
}

void set_shares(CpuState& state, std::uint64_t shares) {
  state.groups().locked([&] {
    if (state.shares == shares) return;
    state.shares = shares;
    apply_shares(state);
  });
}

std::uint64_t shares_of(SubsystemState& state) {
  std::uint64_t shares = 0;
  state.groups().locked([&] { shares = cpu(state).shares; });
  return shares;
}

// --- Callbacks ---

Result<std::unique_ptr<SubsystemState>> create(Groups&, GroupHost& host, SubsystemState* parent) {
  return std::unique_ptr<SubsystemState>(
      std::make_unique<CpuState>(host, parent != nullptr ? &cpu(*parent) : nullptr));
}

void destroy(SubsystemState& state) { cpu_bandwidth::destroy(cpu(state)); }

void attach(SubsystemState& to, SubsystemState& from, Task& task) {
  cpu_bandwidth::attach(cpu(to), cpu(from), task);
  // Tasks of groups that were given no weight keep the nice values that they gave themselves.
  const int nice = effective_nice(cpu(to));
  if (nice != effective_nice(cpu(from))) set_nice(cpu(to), task, nice);
}

void fork(SubsystemState& state, Task& child) {
  cpu_bandwidth::fork(cpu(state), child);
  // A child has its parent's nice value; one from outside has another's.
  if (!child.is_leader() || child.group().parent() != nullptr) return;
  const int nice = effective_nice(cpu(state));
  if (nice != 0) set_nice(cpu(state), child, nice);
}

void exit(SubsystemState& state, Task& task) { cpu_bandwidth::exit(cpu(state), task); }

// --- Files ---

std::string line(std::uint64_t number) { return std::to_string(number) + "\n"; }

Result<std::string> read_weight(SubsystemState& state, const GroupCaller&) {
  return line(weight_of(shares_of(state)));
}

Result<void> write_weight(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<std::uint64_t> weight = parse_unsigned(text);
  if (!weight) return weight.error();
  if (*weight < 1 || *weight > kMaxWeight) return Errno{ERANGE};
  set_shares(cpu(state), divide(*weight * kDefaultShares, kDefaultWeight));
  return {};
}

Result<std::string> read_weight_effective(SubsystemState& state, const GroupCaller&) {
  int nice = 0;
  state.groups().locked([&] { nice = cpu(state).refused ? 0 : effective_nice(cpu(state)); });
  return line(weight_of(kNiceShares[nice - kLowestNice]));
}

Result<std::string> read_weight_nice(SubsystemState& state, const GroupCaller&) {
  return std::to_string(nice_of(shares_of(state))) + "\n";
}

Result<void> write_weight_nice(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<std::int64_t> nice = parse_number(text, kLowestNice, kHighestNice);
  if (!nice) return nice.error();
  set_shares(cpu(state), kNiceShares[*nice - kLowestNice]);
  return {};
}

Result<std::string> read_shares(SubsystemState& state, const GroupCaller&) {
  return line(shares_of(state));
}

Result<void> write_shares(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<std::uint64_t> shares = parse_unsigned(text);
  if (!shares) return shares.error();
  set_shares(cpu(state), std::clamp(*shares, kMinShares, kMaxShares));
  return {};
}

Result<std::uint64_t> parse_quota(std::string_view text) {
  if (text == "max") return CpuLimit::kNone;
  const Result<std::uint64_t> quota = parse_unsigned(text);
  if (!quota) return quota.error();
  if (*quota < kMinQuota || *quota > kMaxQuota) return Errno{EINVAL};
  return *quota;
}

Result<std::uint64_t> parse_period(std::string_view text) {
  const Result<std::uint64_t> period = parse_unsigned(text);
  if (!period) return period.error();
  if (*period < kMinPeriod || *period > kMaxPeriod) return Errno{EINVAL};
  return *period;
}

Result<std::string> read_max(SubsystemState& state, const GroupCaller&) {
  const CpuLimit limit = cpu_bandwidth::snapshot(cpu(state)).limit;
  const std::string quota = limit.quota == CpuLimit::kNone ? "max" : std::to_string(limit.quota);
  return quota + " " + std::to_string(limit.period) + "\n";
}

// "QUOTA", "QUOTA PERIOD"
Result<void> write_max(SubsystemState& state, std::string_view text, const GroupCaller&) {
  constexpr std::string_view kBlanks = " \t\n";
  const std::size_t blank = text.find_first_of(kBlanks);
  const Result<std::uint64_t> quota = parse_quota(text.substr(0, blank));
  if (!quota) return Errno{EINVAL};
  std::optional<std::uint64_t> new_period;
  if (blank != text.npos) {
    const Result<std::uint64_t> period =
        parse_period(text.substr(text.find_first_not_of(kBlanks, blank)));
    if (!period) return Errno{EINVAL};
    new_period = *period;
  }
  cpu_bandwidth::set_limit(cpu(state), *quota, new_period);
  return {};
}

Result<std::string> read_cfs_quota(SubsystemState& state, const GroupCaller&) {
  const CpuLimit limit = cpu_bandwidth::snapshot(cpu(state)).limit;
  return limit.quota == CpuLimit::kNone ? std::string("-1\n") : line(limit.quota);
}

Result<void> write_cfs_quota(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<std::int64_t> number = parse_number(text);
  if (!number) return number.error();
  const Result<std::uint64_t> quota = parse_quota(*number < 0 ? "max" : text);
  if (!quota) return quota.error();
  cpu_bandwidth::set_limit(cpu(state), *quota, std::nullopt);
  return {};
}

Result<std::string> read_cfs_period(SubsystemState& state, const GroupCaller&) {
  return line(cpu_bandwidth::snapshot(cpu(state)).limit.period);
}

Result<void> write_cfs_period(SubsystemState& state, std::string_view text, const GroupCaller&) {
  const Result<std::uint64_t> period = parse_period(text);
  if (!period) return period.error();
  cpu_bandwidth::set_limit(cpu(state), std::nullopt, *period);
  return {};
}

Result<std::string> read_stat(SubsystemState& state, const GroupCaller&) {
  std::string text;
  // In another hierarchy, a group has no time of its own to show.
  if (SubsystemState* acct = state.group().state(cpuacct_subsystem()); acct != nullptr) {
    const CpuTime time = cpu_time_of(*acct);
    text = "usage_usec " + line(time.user + time.system) + "user_usec " + line(time.user) +
           "system_usec " + line(time.system);
  }
  const CpuBandwidth bandwidth = cpu_bandwidth::snapshot(cpu(state));
  return text + "nr_periods " + line(bandwidth.nr_periods) + "nr_throttled " +
         line(bandwidth.nr_throttled) + "throttled_usec " + line(bandwidth.throttled_usec);
}

constexpr unsigned kNotOnRoot = GroupFile::kNotOnRoot;
constexpr GroupFile kFiles[] = {
    {.name = "cpu.weight", .flags = kNotOnRoot, .read = read_weight, .write = write_weight},
    {.name = "cpu.weight.nice",
     .flags = kNotOnRoot,
     .read = read_weight_nice,
     .write = write_weight_nice},
    {.name = "cpu.weight.effective", .flags = kNotOnRoot, .read = read_weight_effective},
    {.name = "cpu.shares", .flags = kNotOnRoot, .read = read_shares, .write = write_shares},
    {.name = "cpu.max", .flags = kNotOnRoot, .read = read_max, .write = write_max},
    {.name = "cpu.cfs_quota_us",
     .flags = kNotOnRoot,
     .read = read_cfs_quota,
     .write = write_cfs_quota},
    {.name = "cpu.cfs_period_us",
     .flags = kNotOnRoot,
     .read = read_cfs_period,
     .write = write_cfs_period},
    {.name = "cpu.stat", .read = read_stat},
};

constexpr Subsystem kCpu{.name = "cpu",
                         .create = create,
                         .destroy = destroy,
                         .attach = attach,
                         .fork = fork,
                         .exit = exit,
                         .tick = cpu_bandwidth::tick,
                         .files = kFiles};
const SubsystemRegistration registration(kCpu);

}  // namespace

const Subsystem& cpu_subsystem() { return kCpu; }

}  // namespace warren
