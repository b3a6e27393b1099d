// Programs' and libraries' code with its sites patched, once for a container.
//
// A site that is patched in place costs its page a copy in each process, and makes the kernel copy
// the page table of the whole text at every fork. So the text of a file whose sites are known is
// copied into a file of memory, with all its jumps, and guests that get an agent map that in place
// of the original. The slots through which its jumps go are the same in all processes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "inject/image.h"
#include "tracer/guest_maps.h"
#include "tracer/remote_memory.h"
#include "warren/result.h"

namespace warren {

// Owner: Agents. Thread-safe.
class TextImages {
 public:
  // Slots below this are those of images; a process's own sites have the others.
  static constexpr std::uint64_t kSharedSlots = 96;

  // `tree`: guests make forks and waits themselves; `paths`: they test paths.
  // Errors: as memfd_create(2), mmap(2), fcntl(2).
  static Result<std::unique_ptr<TextImages>> create(bool tree, bool paths);
  ~TextImages();
  TextImages(const TextImages&) = delete;
  TextImages& operator=(const TextImages&) = delete;

  // Owned by the object. Guests can map it to read and execute only.
  int fd() const { return file_.get(); }

  // What a process is to map over its own, and the slots of that, by their number.
  struct Replacement {
    std::uint64_t address, length, offset;
  };
  struct Plan {
    std::vector<Replacement> texts;
    std::vector<inject::Slot> slots;
    bool serves_signals = false;  // rt_sigaction(2) is among them
  };
  // For a process that stands still, and has that mapped. What it has changed itself is left alone.
  Plan plan(pid_t pid, const std::vector<GuestMapping>& maps);
  // Writes the plan's slots where the process has its agent's; it must not run before. False: they
  // are not there.
  static bool tell_slots(const RemoteMemory& memory, const Plan& plan);

 private:
  struct Site {
    std::uint64_t offset;  // of its end, in the text
    int nr;
    inject::Service service;
    std::uint64_t slot;
  };
  struct Text {
    std::uint64_t offset = 0;  // in the file of memory
    std::vector<Site> sites;   // none: it is not worth an image, or cannot have one
  };
  // A part of a file: where its bytes begin, and how many they are.
  using Key = std::tuple<dev_t, ino_t, std::uint64_t, std::uint64_t>;
  struct Known {
    // Open, where nobody unmounts what it is on: so the inode's number stays the file's, and
    // whether it has changed is seen without finding it again. Or not.
    UniqueFd file;
    timespec changed;  // the last time when it was read
    Text text;
  };

  TextImages(UniqueFd file, unsigned char* memory, bool tree, bool paths);

  const Text* find(pid_t pid, const GuestMapping& mapping);
  void read(int fd, const GuestMapping& mapping, Text* text);
  bool wanted(inject::Service service) const;

  UniqueFd file_;
  unsigned char* const memory_;
  const bool tree_, paths_;
  const dev_t root_device_;
  std::mutex mutex_;
  std::map<Key, Known> texts_;    // guarded by mutex_
  std::uint64_t used_ = 0;        // guarded by mutex_; bytes of the file of memory
  std::uint64_t used_slots_ = 0;  // guarded by mutex_
};

}  // namespace warren
