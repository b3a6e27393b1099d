// Who may signal whom (kill(2)), where the host's kernel cannot tell since the supervisor sends.
#pragma once

#include <sys/types.h>

namespace warren {

// 0, or EPERM. An ordinary user's guests all have his ids, and the kernel checks the supervisor's
// like theirs; a supervisor with privilege could send anything, so the ids are compared here.
int check_signal_permission(pid_t sender_tid, pid_t target_tgid, int signal);

// For si_uid.
uid_t real_uid_of(pid_t tid);

}  // namespace warren
