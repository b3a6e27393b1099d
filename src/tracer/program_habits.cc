#include "tracer/program_habits.h"

#include <functional>

namespace warren {

namespace {
constexpr std::uint8_t kRunsBetweenTrials = 64;
}

ProgramHabits::Program ProgramHabits::of_path(std::string_view path) {
  constexpr std::size_t kMost = (std::size_t{1} << kBits) - 1;
  return static_cast<Program>(1 + std::hash<std::string_view>{}(path) % kMost);
}

bool ProgramHabits::makes_many(Program program) {
  std::atomic<std::uint8_t>& runs = runs_[program];
  const std::uint8_t count = runs.load(std::memory_order_relaxed);
  if (count == 0 || count >= kRunsBetweenTrials) return false;
  runs.store(static_cast<std::uint8_t>(count + 1), std::memory_order_relaxed);
  return true;
}

void ProgramHabits::learn(Program program, bool many) {
  runs_[program].store(many ? 1 : 0, std::memory_order_relaxed);
}

}  // namespace warren
