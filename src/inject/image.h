// The file that guests map: the agent's code, and a page that the supervisor shares with them.
#pragma once

#include <cstdint>
#include <memory>

#include "base/unique_fd.h"
#include "inject/layout.h"
#include "warren/result.h"

namespace warren::inject {

// What the agent's own header says.
const Header& agent_header();
// Which private call has its instruction pointer there.
PrivateCall private_call_at(std::uint64_t ip);
// Whether a fork with that instruction pointer is one that the agent leaves to the supervisor.
bool is_fork_asking_place(std::uint64_t ip);

// One per container. A sealed memfd: guests can map it to read and execute, and no other way.
class Image {
 public:
  // Errors: as memfd_create(2), mmap(2), fcntl(2).
  static Result<std::unique_ptr<Image>> create();
  ~Image();
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  // Owned by the image.
  int fd() const { return file_.get(); }
  // From now on the agents of all guests ask for every path. Thread-safe.
  void ask_paths();
  bool asks_paths() const;
  // Guests are not traced (Shared); to be said before there are any. Thread-safe.
  void serve_forks(bool on);
  void probe_paths(bool on);
  void signal_self(bool on);
  bool signals_self() const;
  // Who waits for a child says so from now on. Thread-safe.
  void tell_waits();

 private:
  Image(UniqueFd file, Shared* shared) : file_(std::move(file)), shared_(shared) {}

  UniqueFd file_;
  Shared* shared_;
};

}  // namespace warren::inject
