#include "tracer/program_habits.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace warren {
namespace {

class ProgramHabitsTest : public testing::Test {
 protected:
  const std::unique_ptr<ProgramHabits> habits_ = std::make_unique<ProgramHabits>();
};

TEST_F(ProgramHabitsTest, NumbersFitAndAreNever0) {
  for (int i = 0; i < 20000; ++i) {
    const auto program = ProgramHabits::of_path("/usr/bin/program-" + std::to_string(i));
    ASSERT_GT(program, 0);
    ASSERT_LT(program, 1 << ProgramHabits::kBits);
  }
  EXPECT_EQ(ProgramHabits::of_path("/bin/sh"), ProgramHabits::of_path(std::string("/bin/sh")));
  EXPECT_NE(ProgramHabits::of_path("/bin/sh"), ProgramHabits::of_path("/bin/cat"));
}

TEST_F(ProgramHabitsTest, WhatMadeManyIsTakenToMakeManyAgain) {
  const auto program = ProgramHabits::of_path("/usr/bin/cc");
  EXPECT_FALSE(habits_->makes_many(program)) << "unknown";
  habits_->learn(program, true);
  EXPECT_TRUE(habits_->makes_many(program));
  EXPECT_TRUE(habits_->makes_many(program));
  EXPECT_FALSE(habits_->makes_many(ProgramHabits::of_path("/bin/cat"))) << "another";
  habits_->learn(program, false);
  EXPECT_FALSE(habits_->makes_many(program));
}

TEST_F(ProgramHabitsTest, NowAndThenItIsTriedWithout) {
  const auto program = ProgramHabits::of_path("/usr/bin/cc");
  habits_->learn(program, true);
  int with = 0;
  while (habits_->makes_many(program)) ASSERT_LT(++with, 1000);
  EXPECT_GE(with, 16);
  EXPECT_FALSE(habits_->makes_many(program)) << "until something is known of a run";
  habits_->learn(program, true);
  EXPECT_TRUE(habits_->makes_many(program));
}

}  // namespace
}  // namespace warren
