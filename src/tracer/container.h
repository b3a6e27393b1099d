// The supervisor of one container: what its parts are and how they are started and ended.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "control/control_handler.h"
#include "tracer/delegated_cgroup.h"
#include "tracer/front.h"
#include "tracer/guest_start.h"
#include "tracer/notifier.h"
#include "tracer/runtime.h"
#include "tracer/tracer.h"

namespace warren {

// Threads: the tracer runs on the process's main thread; notifiers and the control server have
// their own. What the control server asks for is done on the tracer thread.
class Container final : public control::ControlHandler {
 public:
  // How guests are served.
  struct Service {
    bool agent = false;     // see Runtime::agents()
    bool untraced = false;  // see Runtime::untraced(); with `agent` only
    // It tests paths even where the container is in no Landlock domain.
    bool agent_unscoped = false;
    bool ask_paths = false;    // it tests none, the filter trusts it with none; each is walked
    bool landlock = true;      // the container is to be a Landlock domain
    bool sync_wakeup = true;   // notified calls are to wake synchronously
    bool signal_self = false;  // the host has descriptors that mean the caller itself
  };
  // `cgroup`: the kernel's cgroups, null for none; outlives it.
  static Result<std::unique_ptr<Container>> create(const std::string& name, FrontLine& front,
                                                   const Service& service, DelegatedCgroup* cgroup);
  ~Container() override;

  // The first program. What failed and why, if it did not start.
  struct StartError {
    std::string what;
    int error;
  };
  // The group of the default hierarchy that it starts in, made if it is not there, and what is
  // written to that group's files before.
  struct GroupOptions {
    std::string path;
    std::vector<std::pair<std::string, std::string>> settings;
  };
  std::optional<StartError> start(const GuestProgram& program, const GroupOptions& groups);
  // Serves until the container is empty. The wait status of process 1, or the errno of its execve.
  struct End {
    int wait_status = 0;
    int exec_error = 0;
  };
  End serve();
  // After serve(), and when nobody calls any more: unmounts what is mounted of its groups.
  void close();
  // Kills everything. Any thread.
  void kill_all();
  Stats& stats() { return runtime_.stats(); }

  // control::ControlHandler
  control::ContainerInfo info() override;
  std::optional<std::uint64_t> namespace_of(pid_t host_pid) override;
  Result<control::ExecStarted> exec(const control::Peer& peer, control::ExecRequest request,
                                    std::function<void(control::ExecEnd)> on_exit) override;
  Result<void> signal_exec(std::uint64_t id, int signal) override;
  Result<void> kill(const control::Peer& peer, const control::KillRequest& request) override;
  Result<control::GroupReply> group(const control::Peer& peer,
                                    const control::GroupRequest& request) override;

 private:
  Container(std::unique_ptr<Kernel> kernel, Ref<PidNamespace> ns, const std::string& name,
            FrontLine& front, const Service& service);

  // A program that came from outside, until it ends. Tracer thread only.
  struct Joined {
    std::uint64_t id;
    GuestStart start;
    std::function<void(control::ExecEnd)> on_exit;
  };

  Result<Ref<Pid>> host_pid(pid_t nr);
  // Tracer thread: forks, attaches, filters, serves, lets it exec.
  // `groups`: at most one of each hierarchy.
  Result<GuestStart> join(const GuestProgram& program, PidNamespace& ns, bool init,
                          std::span<const GroupRef> groups, std::string* failed_step);
  Result<void> enter_groups(Task& task, std::span<const GroupRef> groups);
  // Where it is in a hierarchy's root, that is left out.
  std::vector<GroupRef> groups_of_init(const PidNamespace& ns);
  Result<control::ExecStarted> exec_on_tracer(control::ExecRequest& request,
                                              std::function<void(control::ExecEnd)> on_exit);
  Ref<PidNamespace> namespace_by_inode(std::uint64_t inode);
  void on_child_exit(pid_t tid, int wait_status);
  std::uint64_t shown_inode(const Ref<PidNamespace>& ns);
  // Runs on the tracer thread and waits for it. Not from that thread.
  template <typename F>
  auto on_tracer(F work) -> decltype(work());

  Runtime runtime_;
  Tracer tracer_;
  Ref<PidNamespace> ns_;
  Ref<Pid> nameless_;  // the group or session whose leader the host's own namespace does not hold
  FrontLine& front_;
  const Service service_;
  DelegatedCgroup* cgroup_ = nullptr;
  std::vector<sock_filter> filter_;
  std::int64_t started_;
  // Tracer thread only:
  std::list<Notifier> notifiers_;
  std::map<pid_t, Joined> joined_;
  std::uint64_t next_id_ = 1;
  pid_t init_ = 0;
  // wait_status: tracer thread; exec_error: first_exec_, which waits for the first program's exec.
  End end_;
  std::thread first_exec_;
};

}  // namespace warren
