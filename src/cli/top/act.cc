#include "cli/top/act.h"

#include <signal.h>

#include <cerrno>

#include "cli/containers.h"
#include "cli/signals.h"

namespace warren::cli::top {
namespace {

constexpr char kKillFile[] = "cgroup.kill";
constexpr char kFreezeFile[] = "cgroup.freeze";
constexpr char kFreezerState[] = "freezer.state";  // what hierarchies of their own have

Result<void> write_file(control::Client& client, const Target& target, const char* file,
                        const char* text, control::Refusal* refusal) {
  control::GroupRequest request;
  request.op = control::GroupRequest::Op::kWrite;
  request.hierarchy = target.hierarchy;
  request.path = target.path;
  request.file = file;
  request.text = text;
  auto reply = client.group(request, refusal);
  if (!reply) return reply.error();
  return {};
}

std::string failed(const char* what, const Target& target, const control::Refusal& refusal) {
  return describe(refused(what, target.title, refusal));
}

// Each process by itself: for signals that a group has no file for. Those that have ended
// meanwhile are no failure.
std::string signal_each(control::Client& client, const Target& target, int signal) {
  size_t reached = 0;
  for (const Process& process : target.processes) {
    control::Refusal refusal;
    auto sent = client.kill(std::to_string(process.ns_inode), process.nr, signal, &refusal);
    if (!sent && refusal.error != ESRCH) return failed("kill", target, refusal);
    reached += sent ? 1 : 0;
  }
  return signal_name(signal) + " sent to " + std::to_string(reached) +
         (reached == 1 ? " process" : " processes") + " of " + target.title;
}

}  // namespace

std::string send_signal(const Target& target, int signal) {
  Connected connected = connect_container("kill", target.container);
  if (!connected.client) return describe(connected.failure);
  control::Client& client = *connected.client;
  control::Refusal refusal;
  if (target.kind == View::kGroups) {
    if (signal != SIGKILL) return signal_each(client, target, signal);
    // The file reaches what is being forked too, but a root group has none.
    auto killed = write_file(client, target, kKillFile, "1", &refusal);
    if (!killed && (refusal.error == ENOENT || refusal.error == EOPNOTSUPP)) {
      return signal_each(client, target, signal);
    }
    if (!killed) return failed("kill", target, refusal);
  } else {
    auto sent = client.kill(std::to_string(target.ns_inode), target.nr, signal, &refusal);
    if (!sent) return failed("kill", target, refusal);
  }
  return signal_name(signal) + " sent to " + target.title;
}

std::string set_frozen(const Target& target, bool frozen) {
  Connected connected = connect_container("freeze", target.container);
  if (!connected.client) return describe(connected.failure);
  control::Refusal refusal;
  auto done = write_file(*connected.client, target, kFreezeFile, frozen ? "1" : "0", &refusal);
  if (!done && refusal.error == ENOENT) {
    done = write_file(*connected.client, target, kFreezerState, frozen ? "FROZEN" : "THAWED",
                      &refusal);
  }
  if (!done) return failed(frozen ? "freeze" : "thaw", target, refusal);
  return target.title + (frozen ? " is freezing" : " is thawed");
}

}  // namespace warren::cli::top
