#include "tracer/errand.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace warren {
namespace {

TEST(Errand, IsDoneOnceFromItsBeginningForEachWhoAsks) {
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  Errand errand([&] {
    ++begun;
    std::this_thread::yield();
    ++ended;
  });
  errand.start();
  std::vector<std::thread> askers;
  for (int i = 0; i < 8; ++i) {
    askers.emplace_back([&] {
      for (int j = 0; j < 200; ++j) {
        // Whatever has begun by now may have been too early.
        const int before = begun;
        errand.run();
        EXPECT_GT(ended.load(), before);
      }
    });
  }
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(begun.load(), ended.load());
  EXPECT_LE(begun.load(), 8 * 200);
}

TEST(Errand, EndsWithoutHavingBeenStartedOrAsked) {
  Errand never([] { FAIL(); });
  Errand idle([] { FAIL(); });
  idle.start();
}

}  // namespace
}  // namespace warren
