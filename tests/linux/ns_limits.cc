// Without privilege over the namespace, the kernel refuses nothing that needs none.
#include "harness.h"

int main() {
  SHOW(unshare(0));
  SHOW(unshare(1 << 5));
  SHOW(unshare(CLONE_FS | CLONE_FILES));
  SHOW(unshare(CLONE_THREAD));
  SHOW(unshare(CLONE_SIGHAND));
  SHOW(unshare(CLONE_VM));
  SHOW(getpid());
}
