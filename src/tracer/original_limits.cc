#include "tracer/original_limits.h"

#include <sys/resource.h>

#include <csignal>

namespace warren {

namespace {
rlimit original_files{};
sigset_t original_mask;
}  // namespace

void keep_original_limits() {
  getrlimit(RLIMIT_NOFILE, &original_files);
  sigprocmask(SIG_SETMASK, nullptr, &original_mask);
  rlimit raised = original_files;
  raised.rlim_cur = raised.rlim_max;
  setrlimit(RLIMIT_NOFILE, &raised);
}

void restore_original_limits() { setrlimit(RLIMIT_NOFILE, &original_files); }

void set_original_signal_mask() { sigprocmask(SIG_SETMASK, &original_mask, nullptr); }

}  // namespace warren
