#include "tracer/errand.h"

namespace warren {

Errand::~Errand() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Errand::run() {
  std::unique_lock lock(mutex_);
  const std::uint64_t mine = ++wanted_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return done_ >= mine; });
}

void Errand::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || done_ < wanted_; });
    if (stopping_) return;
    const std::uint64_t now = wanted_;
    lock.unlock();
    work_();
    lock.lock();
    done_ = now;
    changed_.notify_all();
  }
}

void Errand::start() {
  thread_ = std::thread([this] { serve(); });
}

}  // namespace warren
