// oracle: expected
// io_uring would make calls that no filter sees: it is not there.
#include "harness.h"

int main() {
  char params[120] = {};
  SHOW(raw(SYS_io_uring_setup, 4, arg(params)));
  SHOW(raw(SYS_io_uring_enter, 0, 0, 0, 0, 0, 0));
  SHOW(raw(SYS_io_uring_register, 0, 0, 0, 0));
}
