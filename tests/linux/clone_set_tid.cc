// oracle: privileged
// clone3 with set_tid: pinned numbers and each of its errors.
#include <linux/sched.h>

#include "harness.h"

static void pinned(const char* what, std::initializer_list<pid_t> numbers, uint64_t flags = 0,
                   long size_override = -1) {
  pid_t tids[40] = {};
  size_t count = 0;
  for (pid_t n : numbers) tids[count++] = n;
  clone_args args = {};
  args.flags = flags;
  args.exit_signal = SIGCHLD;
  args.set_tid = static_cast<uint64_t>(arg(tids));
  args.set_tid_size = size_override >= 0 ? static_cast<uint64_t>(size_override) : count;
  long pid = raw(SYS_clone3, arg(&args), sizeof args);
  if (pid == 0) {
    say("%s: child getpid %d", what, getpid());
    _exit(0);
  }
  if (pid < 0)
    say("%s: %s", what, errno_name(errno));
  else
    say("%s: %s", what, reap(static_cast<pid_t>(pid)).c_str());
}

int main() {
  pinned("77", {77});
  pinned("77 again, now that it is free", {77});
  in_child("a plain fork goes on from the last number", [] {});
  pinned("2, below the last one", {2});
  in_child("a plain fork after that", [] {});
  pinned("30000", {30000});
  pinned("1, init's own", {1});
  pinned("0", {0});
  pinned("-5", {-5});
  pinned("beyond pid_max", {2000000000});
  Gate go;
  pid_t alive = spawn([&] { go.close_writer(), go.pass(); });
  pinned("taken", {alive});
  pinned("taken, in a new namespace", {2}, CLONE_NEWPID);
  pinned("two numbers, new namespace", {1, 400}, CLONE_NEWPID);
  pinned("one number of two, new namespace", {1}, CLONE_NEWPID);
  pinned("too many levels", {5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
                             5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5});
  pinned("null pointer with a size", {}, 0, 1);
  pinned("size zero with a pointer", {55}, 0, 0);
  clone_args args = {};
  args.exit_signal = SIGCHLD;
  args.set_tid = 16;
  args.set_tid_size = 1;
  SHOW(raw(SYS_clone3, arg(&args), sizeof args));
  args.set_tid = 0;
  SHOW(raw(SYS_clone3, arg(&args), sizeof args));
  go.open();
  say("%s", reap(alive).c_str());
  // A group's number stays taken while the group lives, though its first process is gone.
  Gate group_go;
  pid_t leader = spawn([&] {
    MUST(setpgid(0, 0));
    spawn([&] { group_go.close_writer(), group_go.pass(); });
  });
  say("leader %s", reap(leader).c_str());
  pinned("number of a living group", {leader});
  group_go.open();
  say("member %s", reap(-1).c_str());
  pinned("number of a group that is gone", {leader});
}
