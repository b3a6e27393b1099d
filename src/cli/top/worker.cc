#include "cli/top/worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace warren::cli::top {
namespace {

constexpr auto kPatience = std::chrono::milliseconds(200);

}  // namespace

// Also the thread's, which may outlive the Worker.
struct Worker::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Job> jobs;
  std::vector<std::function<void()>> ended;
  bool stop = false;
  bool stopped = false;
  UniqueFd ready{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return stop || !jobs.empty(); });
      if (stop) break;
      Job job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      auto result = job();
      lock.lock();
      ended.push_back(std::move(result));
      uint64_t one = 1;
      [[maybe_unused]] ssize_t written = write(ready.get(), &one, sizeof one);
    }
    stopped = true;
    changed.notify_all();
  }
};

Worker::Worker() : shared_(std::make_shared<Shared>()) {
  std::thread([shared = shared_] { shared->run(); }).detach();
}

Worker::~Worker() {
  std::unique_lock lock(shared_->mutex);
  shared_->stop = true;
  shared_->changed.notify_all();
  shared_->changed.wait_for(lock, kPatience, [this] { return shared_->stopped; });
}

void Worker::ask(Job job) {
  std::lock_guard lock(shared_->mutex);
  shared_->jobs.push_back(std::move(job));
  shared_->changed.notify_all();
}

int Worker::ready_fd() const { return shared_->ready.get(); }

void Worker::finish() {
  uint64_t count;
  [[maybe_unused]] ssize_t size = read(shared_->ready.get(), &count, sizeof count);
  std::vector<std::function<void()>> ended;
  {
    std::lock_guard lock(shared_->mutex);
    ended.swap(shared_->ended);
  }
  for (auto& each : ended) each();
}

}  // namespace warren::cli::top
