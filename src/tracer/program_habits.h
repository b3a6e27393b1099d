// Which programs are worth an agent: those that made many calls the last time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace warren {

// Bringing an agent costs as much as some twenty calls by way of the supervisor. Many programs end
// sooner, and most do what they did before. Thread-safe; a guess, which costs time at worst.
// Owner: Agents.
class ProgramHabits {
 public:
  // By the text of its path; never 0. Two programs may have one.
  using Program = std::uint16_t;
  static constexpr int kBits = 12;
  static Program of_path(std::string_view path);

  // It is about to run: whether it is to have an agent at once. Now and then one that did well with
  // that is tried without, since nobody sees what it would have cost.
  bool makes_many(Program program);
  // What a run came to that had no agent from the beginning.
  void learn(Program program, bool many);

 private:
  // 0: few, or unknown; else how often it has been given one since it was last tried without.
  std::array<std::atomic<std::uint8_t>, 1 << kBits> runs_{};
};

}  // namespace warren
