// The process that `warren run` leaves in front, and what the supervisor tells it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/unique_fd.h"
#include "control/run_options.h"
#include "tracer/end_descendants.h"

namespace warren {

// The supervisor's end of the line between the two.
class FrontLine {
 public:
  explicit FrontLine(UniqueFd socket) : socket_(std::move(socket)) {}

  // Process 1 of the container, by its host number, has passed its exec.
  void started(pid_t init) const;
  // Process 1 was stopped by a job-control signal: whoever waits for the front sees it stop as
  // well.
  void stopped() const;
  // The end. With an error the container did not start.
  void ended(int exit_status, const std::string& error) const;
  // Blocks until the front is gone or the line is shut down.
  void wait_until_closed() const;
  void shut_down() const;

 private:
  UniqueFd socket_;
};

// Stands in front until `child` has ended, the supervisor or who stands above it: stops and
// continues with the container, passes on what signals other processes send. Signals of the
// terminal reach the guests by themselves. With `ends_descendants` nobody below the caller is left
// after that.
control::RunOutcome stand_in_front(UniqueFd socket, pid_t child, bool ends_descendants,
                                   const std::function<void()>& on_started);

// Waits for a child of the caller, who takes orphans, and ends whoever it has left, by whatever it
// ended. What to tell the user if that cannot be done, else empty.
std::string outlive(const OutlivedChild& child);

}  // namespace warren
