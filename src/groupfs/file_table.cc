#include "groupfs/file_table.h"

#include <linux/close_range.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace warren::groupfs {

namespace {

// Gives the calling thread a table with the standard streams alone. Returns an errno, 0 for none.
int unshare_table() {
  // TSan knows descriptors by their numbers alone, and takes one number in two tables for one file.
  if (kUnderThreadSanitizer) return 0;
  // Copies of other descriptors would keep open what their owners close.
  return syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0 ? 0 : errno;
}

}  // namespace

Result<std::unique_ptr<FileTable>> FileTable::create() {
  std::unique_ptr<FileTable> made(new FileTable());
  try {
    made->thread_ = std::thread([raw = made.get()] { raw->work(); });
  } catch (const std::system_error&) {
    return Errno{EAGAIN};
  }
  int error = 0;
  made->run([&] { error = unshare_table(); });
  if (error != 0) return Errno{error};
  return made;
}

FileTable::~FileTable() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void FileTable::run(const std::function<void()>& f) {
  bool done = false;  // guarded by mutex_
  post([&] {
    f();
    {
      const std::lock_guard lock(mutex_);
      done = true;
    }
    changed_.notify_all();
  });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done; });
}

void FileTable::post(std::function<void()> f) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(f));
  }
  changed_.notify_all();
}

void FileTable::work() {
  pthread_setname_np(pthread_self(), "rcfs-files");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !posted_.empty(); });
    if (posted_.empty()) return;
    std::function<void()> next = std::move(posted_.front());
    posted_.pop_front();
    lock.unlock();
    next();
    next = nullptr;  // what it holds may take locks when it ends
    lock.lock();
  }
}

}  // namespace warren::groupfs
