// Running fusermount3, the set-uid program that mounts FUSE file systems for users.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "warren/result.h"

namespace warren::groupfs {

struct Fusermount {
  // What it says on its standard error, without its own name; empty if all went well.
  std::string message;
  // The mounted /dev/fuse, if one was wanted and the mount is there.
  UniqueFd device;
  // With a device: the socket on whose end it waits, and its process number. It is to be reaped.
  UniqueFd channel;
  pid_t pid = 0;
};

// Runs it with these arguments, in a session of its own and without the caller's signal mask (fork
// is not for a process with threads: posix_spawn(3)). `mounting`: waits for the mounted device;
// else for its end. ENOPKG: there is no such program; EAGAIN, ENOMEM, EMFILE.
Result<Fusermount> fusermount(const std::vector<std::string>& arguments, bool mounting);

// The errno whose text a message ends with; EPERM for another message.
int errno_in(std::string_view message);

}  // namespace warren::groupfs
