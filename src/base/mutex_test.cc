#include "base/mutex.h"

#include <gtest/gtest.h>

#include <thread>

namespace warren {
namespace {

TEST(Mutex, Excludes) {
  Mutex mutex(LockRank::kTasklist);
  int count = 0;
  auto add = [&] {
    for (int i = 0; i < 10000; ++i) {
      MutexLock lock(mutex);
      ++count;
    }
  };
  std::thread other(add);
  add();
  other.join();
  EXPECT_EQ(count, 20000);
}

TEST(Mutex, RanksMayRise) {
  Mutex low(LockRank::kTracer);
  Mutex high(LockRank::kTasklist);
  for (int i = 0; i < 2; ++i) {
    MutexLock first(low);
    MutexLock second(high);
  }
  MutexLock again(low);
}

TEST(Mutex, MayBeUnlockedInAnyOrder) {
  Mutex low(LockRank::kTracer);
  Mutex high(LockRank::kTasklist);
  low.lock();
  high.lock();
  low.unlock();
  high.unlock();
  MutexLock again(low);
}

#ifndef NDEBUG
TEST(MutexDeathTest, RanksMustNotFall) {
  Mutex low(LockRank::kTracer);
  Mutex high(LockRank::kTasklist);
  EXPECT_DEATH(
      {
        MutexLock first(high);
        MutexLock second(low);
      },
      "lock order broken: rank 20 wanted while 50 is held");
}

TEST(MutexDeathTest, NotTwoOfOneRank) {
  Mutex one(LockRank::kTasklist);
  Mutex two(LockRank::kTasklist);
  EXPECT_DEATH(
      {
        MutexLock first(one);
        MutexLock second(two);
      },
      "lock order broken");
}
#endif

}  // namespace
}  // namespace warren
