#include "kernel/pid_allocator.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <set>

namespace warren::kernel {
namespace {

class PidAllocatorTest : public ::testing::Test {
 protected:
  ~PidAllocatorTest() override {
    numbers.destroy_nodes(pool);
    free_retired();
  }
  void free_retired() {
    for (PidNode* node = pool.take_retired(); node != nullptr;) {
      PidNode* next = node->up;
      pool.destroy(node);
      node = next;
    }
  }
  Nr allocate() { return numbers.allocate(pool); }

  PidNodePool pool;
  PidAllocator numbers{kPidMaxDefault};
};

PidImpl* fake(std::uintptr_t n) { return reinterpret_cast<PidImpl*>(n * 16); }

TEST_F(PidAllocatorTest, GoesUpAndDoesNotGiveAFreedNumberAgain) {
  EXPECT_EQ(allocate(), 1);
  EXPECT_EQ(allocate(), 2);
  numbers.release(1, pool);
  numbers.release(2, pool);
  EXPECT_EQ(allocate(), 3);
  EXPECT_EQ(numbers.used(), 1);
  EXPECT_EQ(numbers.last(), 3);
}

TEST_F(PidAllocatorTest, WrapsToReservedPids) {
  numbers.set_pid_max(310);
  for (Nr nr = 1; nr < 310; ++nr) ASSERT_EQ(allocate(), nr);
  EXPECT_EQ(allocate(), 0);
  numbers.release(5, pool);
  EXPECT_EQ(allocate(), 0);  // below RESERVED_PIDS, and the cursor has been past that
  numbers.release(305, pool);
  EXPECT_EQ(allocate(), 305);
}

TEST_F(PidAllocatorTest, LowNumbersAreGivenAgainBeforeTheCursorPassesReservedPids) {
  numbers.set_pid_max(301);
  for (Nr nr = 1; nr < 300; ++nr) ASSERT_EQ(allocate(), nr);
  numbers.release(7, pool);
  EXPECT_EQ(allocate(), 300);
  EXPECT_EQ(allocate(), 0);
}

TEST_F(PidAllocatorTest, CursorSetJustBelowTheLeafInUse) {
  numbers.set_last(70, pool);
  EXPECT_EQ(allocate(), 71);
  numbers.set_last(63, pool);
  EXPECT_EQ(allocate(), 64);
  numbers.set_last(127, pool);
  EXPECT_EQ(allocate(), 128);
}

TEST_F(PidAllocatorTest, Take) {
  EXPECT_EQ(numbers.take(0, pool), EINVAL);
  EXPECT_EQ(numbers.take(-4, pool), EINVAL);
  EXPECT_EQ(numbers.take(kPidMaxDefault, pool), EINVAL);
  EXPECT_EQ(numbers.take(kPidMaxDefault - 1, pool), 0);
  EXPECT_EQ(numbers.take(1000, pool), 0);
  EXPECT_EQ(numbers.take(1000, pool), EEXIST);
  EXPECT_EQ(numbers.last(), 0);  // the cursor stays
  EXPECT_EQ(allocate(), 1);
  EXPECT_EQ(numbers.take_any(kPidMaxCeiling - 1, pool), 0);
  EXPECT_TRUE(numbers.taken(kPidMaxCeiling - 1));
  EXPECT_TRUE(numbers.taken(1000));
  EXPECT_FALSE(numbers.taken(1001));
}

TEST_F(PidAllocatorTest, ReservedIsTakenButNotFound) {
  const Nr nr = allocate();
  EXPECT_TRUE(numbers.taken(nr));
  EXPECT_EQ(numbers.lookup(nr), nullptr);
  numbers.publish(nr, fake(1));
  EXPECT_EQ(numbers.lookup(nr), fake(1));
  numbers.unpublish(nr);
  EXPECT_EQ(numbers.lookup(nr), nullptr);
  EXPECT_EQ(numbers.lookup(0), nullptr);
  EXPECT_EQ(numbers.lookup(-1), nullptr);
  EXPECT_EQ(numbers.lookup(1 << 29), nullptr);
}

TEST_F(PidAllocatorTest, NextListsPublishedNumbersInOrder) {
  for (Nr nr : {1, 64, 4096, 70000, 3000000}) {
    ASSERT_EQ(numbers.take(nr, pool), 0);
    numbers.publish(nr, fake(static_cast<std::uintptr_t>(nr)));
  }
  ASSERT_EQ(numbers.take(65, pool), 0);  // only reserved
  std::vector<Nr> found;
  Nr nr = 0;
  while (numbers.next(nr + 1, &nr) != nullptr) found.push_back(nr);
  EXPECT_EQ(found, (std::vector<Nr>{1, 64, 4096, 70000, 3000000}));
}

TEST_F(PidAllocatorTest, EmptyPartsAreGivenBack) {
  for (int i = 0; i < 100000; ++i) numbers.release(allocate(), pool);
  free_retired();
  EXPECT_LE(pool.slab().live(), 4u);
}

TEST_F(PidAllocatorTest, AFreshNamespaceNeedsOneNode) {
  allocate();
  EXPECT_EQ(pool.slab().live(), 1u);
  EXPECT_LE(sizeof(PidNode), 560u);
}

TEST_F(PidAllocatorTest, FindsTheOneFreeNumberOfManyFull) {
  numbers.set_pid_max(300000);
  while (allocate() != 0) {
  }
  for (Nr free : {299999, 300, 150016, 4096, 262143}) {
    numbers.release(free, pool);
    EXPECT_EQ(allocate(), free);
    EXPECT_EQ(allocate(), 0);
  }
}

// Against a std::set, with a cursor scanned by hand.
TEST_F(PidAllocatorTest, RandomSequence) {
  constexpr std::uint64_t kSeed = 20261122;
  std::mt19937_64 random(kSeed);
  std::set<Nr> taken;
  Nr last = 0;
  constexpr Nr kMax = 9000;
  numbers.set_pid_max(kMax);
  for (int step = 0; step < 60000; ++step) {
    const auto what = random() % 10;
    const Nr some = static_cast<Nr>(1 + random() % (kMax + 10));
    if (what < 5) {
      Nr expected = 0;
      for (Nr nr = last + 1; nr < kMax && expected == 0; ++nr) {
        if (!taken.contains(nr)) expected = nr;
      }
      for (Nr nr = last + 1 > 300 ? 300 : 1; nr <= last && expected == 0; ++nr) {
        if (!taken.contains(nr)) expected = nr;
      }
      ASSERT_EQ(allocate(), expected) << "seed " << kSeed << " step " << step;
      if (expected != 0) {
        taken.insert(expected);
        last = expected;
      }
    } else if (what < 6) {
      const int expected = some >= kMax ? EINVAL : taken.contains(some) ? EEXIST : 0;
      ASSERT_EQ(numbers.take(some, pool), expected) << "seed " << kSeed << " step " << step;
      if (expected == 0) taken.insert(some);
      if (random() % 4 == 0) {
        last = some % kMax;
        numbers.set_last(last, pool);
      }
    } else if (!taken.empty()) {
      auto at = taken.lower_bound(some);
      if (at == taken.end()) at = taken.begin();
      numbers.release(*at, pool);
      taken.erase(at);
      if (random() % 500 == 0) {
        // Now and then nearly everything goes.
        while (taken.size() > 3) {
          numbers.release(*taken.begin(), pool);
          taken.erase(taken.begin());
        }
      }
    }
    ASSERT_EQ(numbers.used(), static_cast<int>(taken.size()));
    ASSERT_EQ(numbers.taken(some), taken.contains(some)) << "seed " << kSeed << " step " << step;
  }
}

}  // namespace
}  // namespace warren::kernel
