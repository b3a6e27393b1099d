// Acting with a guest's file-system credentials. A supervisor that runs as root may have guests
// that gave their rights up; what it opens for such a guest must be what the guest itself may open.
#pragma once

#include <linux/capability.h>
#include <sys/types.h>

#include <vector>

namespace warren::procfs {

// While it lives, the calling thread alone has the fsuid, fsgid, supplementary groups and effective
// capabilities of the guest (credentials(7), setfsuid(2)). Does nothing, and costs nothing, in a
// supervisor without privilege: its guests cannot differ from it. Not to be moved between threads.
class ActAs {
 public:
  explicit ActAs(int host_tid);
  ~ActAs();
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

  // EPERM, ESRCH: the guest's credentials cannot be known or taken; do nothing in its name. 0:
  // fine.
  int error() const { return error_; }

 private:
  bool changed_ = false;
  int error_ = 0;
  uid_t fsuid_ = 0;
  gid_t fsgid_ = 0;
  std::vector<gid_t> groups_;
  __user_cap_data_struct caps_[_LINUX_CAPABILITY_U32S_3] = {};
};

}  // namespace warren::procfs
