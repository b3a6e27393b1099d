// oracle: privileged
// NS_GET_PARENT and NS_GET_NSTYPE on PID namespace descriptors.
#include <linux/nsfs.h>

#include "harness.h"

static ino_t inode(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

int main() {
  Gate ready;
  long inner = raw(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (inner == 0) {
    ready.open();
    for (;;) pause();
  }
  ready.pass();
  int own = MUST(open("/proc/self/ns/pid", O_RDONLY));
  int below = MUST(open(("/proc/" + std::to_string(inner) + "/ns/pid").c_str(), O_RDONLY));
  say("type %d", ioctl(below, NS_GET_NSTYPE) == CLONE_NEWPID);
  int parent = ioctl(below, NS_GET_PARENT);
  say("parent is own %d", parent >= 0 && inode(parent) == inode(own));
  // A parent that the caller is not in is not shown.
  SHOW(ioctl(own, NS_GET_PARENT));
  kill(static_cast<pid_t>(inner), SIGKILL);
  say("%s", reap(static_cast<pid_t>(inner)).c_str());
  parent = ioctl(below, NS_GET_PARENT);
  say("after its end, parent is own %d", parent >= 0 && inode(parent) == inode(own));
}
