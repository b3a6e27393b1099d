// When a system call is worth a trap: tests on register arguments that the filter makes in the
// kernel, each of which saves the guest a stop.
#pragma once

#include <array>
#include <cstdint>

namespace warren {

// One test: the low 32 bits of an argument, masked, against up to eight values.
struct ArgumentTest {
  std::uint8_t argument = 0;
  std::uint32_t mask = 0xffffffff;
  std::uint8_t count = 0;
  std::array<std::uint32_t, 8> values{};
  bool wanted = true;  // the test holds when the value is (or is not) among the listed ones
};

// A call is trapped when every test holds; no test means always.
struct TrapCondition {
  std::uint8_t count = 0;
  std::array<ArgumentTest, 3> tests{};

  constexpr TrapCondition also(const TrapCondition& other) const {
    TrapCondition both = *this;
    both.tests[both.count++] = other.tests[0];
    return both;
  }
};

namespace when {

constexpr TrapCondition always() { return {}; }

template <typename... Values>
constexpr TrapCondition masked(int argument, std::uint32_t mask, bool wanted, Values... values) {
  static_assert(sizeof...(values) <= 8);
  return {1,
          {ArgumentTest{static_cast<std::uint8_t>(argument),
                        mask,
                        static_cast<std::uint8_t>(sizeof...(values)),
                        {static_cast<std::uint32_t>(values)...},
                        wanted}}};
}

template <typename... Values>
constexpr TrapCondition is(int argument, Values... values) {
  return masked(argument, 0xffffffff, true, values...);
}

template <typename... Values>
constexpr TrapCondition is_not(int argument, Values... values) {
  return masked(argument, 0xffffffff, false, values...);
}

constexpr TrapCondition has_bits(int argument, std::uint32_t bits) {
  return masked(argument, bits, false, 0u);
}

constexpr TrapCondition has_not_bits(int argument, std::uint32_t bits) {
  return masked(argument, bits, true, 0u);
}

}  // namespace when
}  // namespace warren
