#include "control/group_workers.h"

#include <pthread.h>

#include <system_error>

namespace warren::control {

namespace {
// That many requests may be waiting for something before others have to.
constexpr std::size_t kMaxThreads = 32;
}  // namespace

bool GroupWorkers::submit(std::function<void()> job) {
  std::lock_guard lock(mutex_);
  if (idle_ <= jobs_.size() && threads_.size() < kMaxThreads) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) return false;
    }
  }
  jobs_.push_back(std::move(job));
  changed_.notify_one();
  return true;
}

void GroupWorkers::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void GroupWorkers::work() {
  pthread_setname_np(pthread_self(), "warren-groups");
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    --idle_;
    if (stopping_) return;
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

}  // namespace warren::control
