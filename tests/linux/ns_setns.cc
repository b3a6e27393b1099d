// oracle: privileged
// setns to descendants' PID namespaces, by /proc/PID/ns/pid and by pidfd; ancestors are refused.
#include "harness.h"

int main() {
  below_init([] {
    Gate ready, go;
    long inner = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (inner == 0) {
      ready.open();
      for (;;) {
        int status;
        if (wait(&status) < 0) pause();
      }
    }
    ready.pass();
    std::string path = "/proc/" + std::to_string(inner) + "/ns/pid";
    int fd = MUST(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    int own = MUST(open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
    SHOW(setns(-1, CLONE_NEWPID));
    SHOW(setns(1, CLONE_NEWPID));
    SHOW(setns(fd, CLONE_NEWNET));
    SHOW(setns(fd, CLONE_NEWPID));
    SHOW(getpid());
    Gate numbers;
    pid_t child = spawn([&] {
      say("kill inner init %d", kill(1, 0));
      SHOW(setns(own, CLONE_NEWPID));  // its ancestor
      send_int(numbers.fds[1], getpid());
      send_int(numbers.fds[1], getppid());
      _exit(3);
    });
    int pid = receive_int(numbers.fds[0]), ppid = receive_int(numbers.fds[0]);
    say("child: outer %d inner %d ppid %d", child, pid, ppid);
    say("%s", reap(child).c_str());
    // For children only, so back to the own namespace is allowed, and elsewhere again.
    SHOW(setns(own, CLONE_NEWPID));
    in_child("in the own namespace again", [] { SHOW(getpid()); });
    SHOW(setns(fd, 0));
    child = spawn([&] { send_int(numbers.fds[1], getpid()); });
    say("child: outer %d inner %d", child, receive_int(numbers.fds[0]));
    say("%s", reap(child).c_str());
    SHOW(setns(own, CLONE_NEWPID));

    int pidfd = MUST(static_cast<int>(raw(SYS_pidfd_open, inner, 0)));
    SHOW(setns(pidfd, 0));
    SHOW(setns(pidfd, CLONE_NEWPID));
    child = spawn([&] { send_int(numbers.fds[1], getpid()); });
    say("child: outer %d inner %d", child, receive_int(numbers.fds[0]));
    say("%s", reap(child).c_str());

    // An orphan that entered by setns gets the inner init for its parent.
    Gate orphan_go;
    pid_t middle = spawn([&] {
      spawn([&] {
        orphan_go.close_writer();
        orphan_go.pass();
        send_int(numbers.fds[1], getppid());
      });
    });
    say("%s", reap(middle).c_str());
    orphan_go.open();
    say("orphan's parent %d", receive_int(numbers.fds[0]));

    // A namespace whose init is dead can be entered, but holds no more children.
    kill(static_cast<pid_t>(inner), SIGKILL);
    say("%s", reap(static_cast<pid_t>(inner)).c_str());
    SHOW(setns(fd, CLONE_NEWPID));
    SHOW(fork());
    SHOW(setns(own, CLONE_NEWPID));
    // Which number is left open: the one that the refused fork took on this level may be used up.
    pid_t home = spawn([] { _exit(getpid() > 8 ? 4 : 5); });
    std::string end = reap(home);
    say("at home: %s", end.substr(end.find(' ') + 1).c_str());
    SHOW(setns(pidfd, CLONE_NEWPID));
  });
}
