// ReadSection: the time during which pointers found without a lock stay valid.
#pragma once

namespace warren {

// While one is alive, nothing that Kernel::lookup_pid() returned to this thread is freed. It is an
// RCU read-side section: entering and leaving costs a few nanoseconds, never blocks, needs no
// registration of the thread, and may nest. Keep it short, and call no writing member of Kernel
// inside (they may wait for all sections to end: a deadlock).
class ReadSection {
 public:
  ReadSection();
  ~ReadSection();
  ReadSection(const ReadSection&) = delete;
  ReadSection& operator=(const ReadSection&) = delete;
};

}  // namespace warren
