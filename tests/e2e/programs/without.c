// Runs a command on a host that lacks something: a system-call filter makes the calls that would
// find it fail, as they do on such a host.
//   without THING COMMAND ARGUMENT...
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kAnyArgument = -1 };

// A call, what the low half of one of its arguments is or has among its bits, and how it fails.
static const struct {
  const char* name;
  unsigned call;
  int argument;
  unsigned short test;
  unsigned value;
  int error;
} kThings[] = {
    {"landlock", 444 /* landlock_create_ruleset */, kAnyArgument, BPF_JEQ, 0, EOPNOTSUPP},
    {"agent-address", SYS_mmap, 3, BPF_JSET, 0x100000 /* MAP_FIXED_NOREPLACE */, EPERM},
    {"wipe-on-fork", SYS_madvise, 2, BPF_JEQ, MADV_WIPEONFORK, EINVAL},
    {"sync-wake-up", SYS_ioctl, 1, BPF_JEQ, 0x40082104 /* SECCOMP_IOCTL_NOTIF_SET_FLAGS */, EINVAL},
};

int main(int argc, char** argv) {
  for (size_t i = 0; argc > 2 && i < sizeof kThings / sizeof *kThings; ++i) {
    if (strcmp(argv[1], kThings[i].name) != 0) continue;
    const int any = kThings[i].argument == kAnyArgument;
    const unsigned at =
        any ? offsetof(struct seccomp_data, nr)
            : offsetof(struct seccomp_data, args) + 8 * (unsigned)kThings[i].argument;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kThings[i].call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
        BPF_JUMP(BPF_JMP | BPF_K | kThings[i].test, any ? kThings[i].call : kThings[i].value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)kThings[i].error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
      perror("without: filter");
      return 125;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
  }
  fprintf(stderr, "usage: without THING COMMAND ARGUMENT...\n");
  return 125;
}
