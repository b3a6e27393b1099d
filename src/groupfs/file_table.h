// FileTable: a thread whose descriptors are its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "warren/result.h"

namespace warren::groupfs {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WARREN_UNDER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(WARREN_UNDER_TSAN)
inline constexpr bool kUnderThreadSanitizer = true;
#else
inline constexpr bool kUnderThreadSanitizer = false;
#endif

// Why: the kernel gives up the requests to a FUSE file system when the last descriptor of its
// device is closed, and a killed process closes its descriptors when its last thread has ended. A
// thread that waits for its own process's file system, since a guest's path led there, would keep
// the process from ever ending. So the device is in a table that only those threads share who serve
// it and wait for nobody: their end closes it (unshare(2), CLONE_FILES).
//
// Threads that are started on this thread, or on such a thread, share its table, and may outlive
// it. A descriptor's number means nothing outside of its table: what owns one is to be made, used
// and destroyed inside.
//
// Under TSan, which knows nothing of all this, the table is that of the process.
//
// Owner: Session. Thread-safe.
class FileTable {
 public:
  // With nothing but the caller's standard streams in it. Errors: EAGAIN, ENOMEM.
  static Result<std::unique_ptr<FileTable>> create();
  // Does what was posted, then ends the thread. Not on this thread.
  ~FileTable();
  FileTable(const FileTable&) = delete;
  FileTable& operator=(const FileTable&) = delete;

  // Calls `f` on the thread, after what was posted before, and waits. Not on this thread.
  void run(const std::function<void()>& f);
  // Calls `f` on the thread, some time.
  void post(std::function<void()> f);

 private:
  FileTable() = default;
  void work();

  std::mutex mutex_;  // a leaf
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::deque<std::function<void()>> posted_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace warren::groupfs
