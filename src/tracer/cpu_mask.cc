#include "tracer/cpu_mask.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace warren::cpu_mask {

namespace {
// The kernel wants room for all the processors that it was built for (8192 at most).
constexpr std::size_t kMostBytes = 1024;
constexpr std::size_t kWord = sizeof(unsigned long);
}  // namespace

CpuSet from_bytes(std::span<const unsigned char> mask) {
  CpuSet cpus(mask.size() * 8);
  for (std::size_t n = 0; n < cpus.size(); ++n) cpus[n] = ((mask[n / 8] >> (n % 8)) & 1) != 0;
  while (!cpus.empty() && !cpus.back()) cpus.pop_back();
  return cpus;
}

std::vector<unsigned char> to_bytes(const CpuSet& cpus, std::size_t size) {
  const std::size_t needed = std::max(size, (cpus.size() + 7) / 8);
  std::vector<unsigned char> mask((needed + kWord - 1) / kWord * kWord);
  for (std::size_t n = 0; n < cpus.size(); ++n) {
    if (cpus[n]) mask[n / 8] = static_cast<unsigned char>(mask[n / 8] | (1u << (n % 8)));
  }
  return mask;
}

Result<CpuSet> of_task(pid_t tid) {
  unsigned char mask[kMostBytes] = {};
  const long length = syscall(SYS_sched_getaffinity, tid, sizeof mask, mask);
  if (length < 0) return Errno{errno};
  return from_bytes({mask, static_cast<std::size_t>(length)});
}

Result<void> set(pid_t tid, const CpuSet& cpus) {
  const std::vector<unsigned char> mask = to_bytes(cpus);
  if (syscall(SYS_sched_setaffinity, tid, mask.size(), mask.data()) != 0) return Errno{errno};
  return {};
}

}  // namespace warren::cpu_mask
