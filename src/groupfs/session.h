// Session: one mounted file system and the threads that serve it.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "groupfs/file_system.h"
#include "groupfs/file_table.h"
#include "groupfs/mount_point.h"
#include "warren/result.h"

struct fuse_buf;
struct fuse_session;

namespace warren::groupfs {

// Why not libfuse's own loop: it can only be ended by unmounting, and a container must be able to
// end while others hold files open. One thread at a time waits for a request and passes the waiting
// on before it serves it, so that a request that takes its time holds up nobody; threads are added
// when all are serving. They, and the descriptors of all this, are in a table of their own: see
// FileTable.
//
// Owner: GroupMounts. create(), start(), stop() and the destructor: one thread at a time, and none
// that shares the table.
class Session {
 public:
  // Mounts. Errors and `reason`: as MountPoint::mount(); EAGAIN, ENOMEM: no thread to be had.
  static Result<std::unique_ptr<Session>> create(FileSystem::Shared& shared, GroupRef root,
                                                 const MountRequest& request, std::string* reason);
  // Serves from now on. `on_end` is called once, from one of the session's threads, when the kernel
  // has dropped the file system (its last mount is gone, and no file is open); not after stop().
  // Where it fails it has unmounted. Errors: EMFILE, ENOMEM, EIO, EAGAIN.
  Result<void> start(std::function<void()> on_end);
  // stop().
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  MountPoint& mount_point() { return mount_; }
  // Whether the kernel has dropped the file system.
  bool dropped() const;
  // Ends serving, without unmounting: who has a file open gets ENOTCONN from then on. Not from a
  // thread of the session's.
  void stop();

 private:
  static constexpr int kMaxThreads = 32;

  struct SessionEnd {
    void operator()(fuse_session* session) const;
  };

  Session(FileSystem::Shared& shared, GroupRef root, std::unique_ptr<FileTable> table,
          MountPoint mount);
  // An errno; 0 for none. In the table.
  int begin();
  bool add_thread();
  void serve();
  // Waits for a request and reads it, with the waiting_ lock held. False: this is the end.
  bool receive(fuse_buf& buffer);

  std::unique_ptr<FileTable> table_;
  MountPoint mount_;
  FileSystem file_system_;
  std::function<void()> on_end_;
  // In the table:
  UniqueFd stopping_;  // an eventfd, readable for good once stop() was called
  std::unique_ptr<fuse_session, SessionEnd> session_;
  int device_ = -1;  // the session's

  std::mutex waiting_;  // whoever holds it waits for the next request
  std::mutex mutex_;    // a leaf
  // Guarded by mutex_:
  std::list<std::thread> threads_;
  int idle_ = 0;  // threads that wait for a request, or for waiting_
  bool ended_ = false;
};

}  // namespace warren::groupfs
