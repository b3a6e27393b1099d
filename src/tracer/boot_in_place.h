// How a program gets its agent although nobody stops it: while it waits for the answer to a
// notified call, the agent's trampoline (inject/agent_boot.S) is written over what it would run
// next. That maps the agent; the text is put back when the agent says that it is there, and the
// call is made again. Costs two notifications, where stops cost three wake-ups of the tracer.
//
// Only where nothing else can come along there meanwhile: in a process of one thread, with memory
// of its own, that catches no signal.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "tracer/text_images.h"
#include "warren/kernel.h"

namespace warren {

class SyscallContext;

// Owner: Agents. Any thread.
class BootInPlace {
 public:
  // The caller waits for the answer to `notification` of `listener`. True: the trampoline is there;
  // the call is to be answered, with whatever, and nothing else of it to be done. Sets kBooting.
  // `texts` may be null.
  bool begin(SyscallContext& call, int listener, std::uint64_t notification, int agent_fd,
             TextImages* texts);

  // A process with kBooting makes a call from `ip`, and has no agent. True: it is the trampoline's,
  // to be answered with 0. The process gets no agent (kAgentRefused).
  bool failed(Task& task, std::uint64_t ip);

  // The agent is there. Where the program goes on; nothing: it never began. Ends kBooting.
  struct Booted {
    std::uint64_t resume;
    TextImages::Plan plan;
  };
  std::optional<Booted> booted(Task& task);

  // The process has died.
  void ended(const ThreadGroup& process);

  // Gives the caller that waits for that answer a descriptor of ours; its number there. Negative:
  // it has no room, or is gone.
  static int add_descriptor(int listener, std::uint64_t notification, int fd);

 private:
  struct Boot {
    std::uint64_t at;  // behind the call
    std::vector<unsigned char> written;
    std::vector<unsigned char> original;
    TextImages::Plan plan;
    bool failed = false;  // all but what the trampoline needs to go back is the original again
  };
  std::optional<Boot> take(const ThreadGroup& process);

  std::mutex mutex_;
  std::unordered_map<const ThreadGroup*, Boot> boots_;  // guarded by mutex_
};

}  // namespace warren
