// One thing that is done by a thread of its own for others who cannot do it themselves.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace warren {

// Uses no descriptor to call its thread, so that threads with a table of descriptors of their own
// (groupfs/file_table.h) can run it, too. Thread-safe.
class Errand {
 public:
  explicit Errand(std::function<void()> work) : work_(std::move(work)) {}
  // Nobody may be in run() any more.
  ~Errand();
  Errand(const Errand&) = delete;
  Errand& operator=(const Errand&) = delete;

  // The thread has the caller's table of descriptors.
  void start();
  // After start(). Returns when it has been done once from its beginning.
  void run();

 private:
  void serve();

  const std::function<void()> work_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t wanted_ = 0;  // guarded by mutex_
  std::uint64_t done_ = 0;    // guarded by mutex_
  bool stopping_ = false;     // guarded by mutex_
  std::thread thread_;
};

}  // namespace warren
