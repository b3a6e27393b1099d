// getpid and its kin in the first process of a namespace and in its children.
#include "harness.h"

int main() {
  SHOW(getpid());
  SHOW(raw(SYS_gettid));
  SHOW(getppid());
  SHOW(getpgrp());
  SHOW(getpgid(0));
  SHOW(getpgid(1));
  SHOW(getsid(0));
  SHOW(getsid(1));
  in_child("child", [] {
    SHOW(getpid());
    SHOW(raw(SYS_gettid));
    SHOW(getppid());
    SHOW(getpgrp());
    SHOW(getsid(0));
    in_child("grandchild", [] {
      SHOW(getpid());
      SHOW(getppid());
    });
  });
  // A number that was used and is free again is not given out next.
  in_child("next child", [] { SHOW(getpid()); });
  SHOW(getpgid(2));
  SHOW(getsid(2));
  SHOW(getpgid(9999));
  SHOW(getsid(9999));
  SHOW(getpgid(-1));
  SHOW(getsid(-1));
  SHOW(getpgid(2147483647));
  SHOW(raw(SYS_getpgid, 0x100000001L));
}
