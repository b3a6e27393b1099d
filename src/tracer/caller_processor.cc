#include "tracer/caller_processor.h"

#include "tracer/proc_stat.h"

namespace warren {

bool CallerProcessor::is_here(pid_t tid, int before, int now) {
  auto& last = last_[static_cast<std::size_t>(tid) % last_.size()];
  const auto there = [&](int processor) {
    return static_cast<std::uint64_t>(tid) << 32 | static_cast<std::uint32_t>(processor);
  };
  const std::uint64_t known = last.load(std::memory_order_relaxed);
  // A task's first call is not worth the look, which costs as much as the call.
  if (now != before || known == there(now) || known >> 32 != static_cast<std::uint64_t>(tid)) {
    last.store(there(now), std::memory_order_relaxed);
    return true;
  }
  const int processor = read_proc_stat(tid).processor;
  last.store(there(processor), std::memory_order_relaxed);
  return processor == now;
}

}  // namespace warren
