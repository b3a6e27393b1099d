// One thread that asks containers, so that the screen answers keys while a supervisor is slow, or
// stopped.
#pragma once

#include <functional>
#include <memory>

namespace warren::cli::top {

class Worker {
 public:
  // Its thread has the signal mask of the caller.
  Worker();
  // Waits a moment for the job in hand; a thread that hangs in it is left to the end of the
  // process.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `job` on the thread, after those asked for before. What it returns is run by finish().
  using Job = std::function<std::function<void()>()>;
  void ask(Job job);
  // Readable when finish() has something to do.
  int ready_fd() const;
  // Runs what ended jobs have returned, on the caller's thread.
  void finish();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace warren::cli::top
