// Threads for requests that may take their time, so that the server's own never waits for a group.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace warren::control {

// Started as they are needed and kept. A container whose groups nobody asks about has none.
// Use from one thread.
class GroupWorkers {
 public:
  GroupWorkers() = default;
  // As stop().
  ~GroupWorkers() { stop(); }
  GroupWorkers(const GroupWorkers&) = delete;
  GroupWorkers& operator=(const GroupWorkers&) = delete;

  // Runs `job` on one of the threads, soon. They have the caller's signal mask. False: no thread
  // can be started.
  bool submit(std::function<void()> job);

  // Waits for the jobs that run; those that do not yet are dropped.
  void stop();

 private:
  void work();

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::deque<std::function<void()>> jobs_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace warren::control
