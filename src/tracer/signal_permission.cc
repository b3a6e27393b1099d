#include "tracer/signal_permission.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

namespace warren {

namespace {

struct Ids {
  uid_t real = 0, effective = 0, saved = 0;
};

bool ids_of(pid_t tid, Ids* ids) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/status", tid);
  FILE* file = std::fopen(path, "re");
  if (!file) return false;
  char line[256];
  bool found = false;
  while (!found && std::fgets(line, sizeof line, file)) {
    found = std::sscanf(line, "Uid: %u %u %u", &ids->real, &ids->effective, &ids->saved) == 3;
  }
  std::fclose(file);
  return found;
}

bool privileged() {
  static const bool is_root = geteuid() == 0;
  return is_root;
}

}  // namespace

int check_signal_permission(pid_t sender_tid, pid_t target_tgid, int signal) {
  if (!privileged() || sender_tid == target_tgid) return 0;
  Ids sender, target;
  if (!ids_of(sender_tid, &sender) || sender.effective == 0) return 0;
  if (!ids_of(target_tgid, &target)) return 0;
  const bool allowed = sender.effective == target.saved || sender.effective == target.real ||
                       sender.real == target.saved || sender.real == target.real;
  // SIGCONT within a session is allowed to all.
  if (!allowed && signal == SIGCONT && getsid(sender_tid) == getsid(target_tgid)) return 0;
  return allowed ? 0 : EPERM;
}

uid_t real_uid_of(pid_t tid) {
  // No set-user-id program runs under no_new_privs, so an ordinary user's guests keep his ids.
  if (!privileged()) return getuid();
  Ids ids;
  return ids_of(tid, &ids) ? ids.real : getuid();
}

}  // namespace warren
