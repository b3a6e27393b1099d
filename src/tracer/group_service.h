// Task groups over the control socket: what commands from the host, and from inside, may ask.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string_view>

#include "control/control_handler.h"
#include "control/group_request.h"
#include "warren/groups.h"

namespace warren {

class Runtime;

// The group "/a/b" below `root`, with those above it, made where they are missing and then with
// `attributes`. Errors: as Groups::make().
Result<GroupRef> make_groups(Groups& groups, Group& root, std::string_view path,
                             const GroupAttributes& attributes);

// Serves one caller; a value for the time of one request. Any thread but the tracer's.
//
// Owners and modes of groups hold as they would in a mounted hierarchy; what guests may change says
// Groups::may_change().
class GroupService {
 public:
  using NamespaceLookup = std::function<Ref<PidNamespace>(std::uint64_t inode)>;
  GroupService(Runtime& runtime, const control::Peer& peer, const NamespaceLookup& namespaces);

  // Errors: see ControlHandler::group().
  Result<control::GroupReply> serve(const control::GroupRequest& request);

 private:
  using Reply = Result<control::GroupReply>;
  using Request = control::GroupRequest;

  Reply hierarchies();
  Reply list(const Request& request);
  Reply read(const Request& request);
  Reply wait(const Request& request);
  Reply write(const Request& request);
  Reply make(const Request& request);
  Reply remove(const Request& request);
  Reply rename(const Request& request);
  Reply set_attributes(const Request& request);
  Reply snapshot();
  Reply mount(const Request& request);
  Reply unmount(const Request& request);
  Reply reshare(const Request& request);
  Reply move_namespace(const Request& request);

  // The root of the hierarchy that the request means. ENOENT, ENODEV: there is none.
  Result<GroupRef> root_for(const Request& request);
  Result<GroupRef> group_for(const Request& request);
  control::GroupSnapshot snapshot_of(Group& group);
  std::uint64_t number_in(Group& group, std::string_view file, std::string_view key);
  // By its number in the caller's namespace. ESRCH.
  Result<Ref<Task>> task_for(int nr);
  // EACCES: the mode of the directory, or of one of its files, does not let the caller.
  Result<void> may_access(const Group& group, std::string_view file, unsigned bits);
  // To make, remove or rename a group in that one.
  Result<void> may_change_children(Group& group);

  Runtime& runtime_;
  Groups& groups_;
  GroupCaller caller_;
  bool guest_;
  const NamespaceLookup& namespaces_;
};

}  // namespace warren
