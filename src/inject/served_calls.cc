#include "inject/served_calls.h"

#include <sys/syscall.h>

namespace warren::inject {

Service service_of(int nr) {
  switch (nr) {
    case SYS_getpid:
      return kServePid;
    case SYS_gettid:
      return kServeTid;
    case SYS_getppid:
      return kServeParentPid;
    case SYS_open:
    case SYS_creat:
    case SYS_mkdir:
    case SYS_rmdir:
    case SYS_unlink:
    case SYS_mknod:
    case SYS_rename:
    case SYS_chmod:
    case SYS_chown:
    case SYS_lchown:
    case SYS_truncate:
      return kServePath0;
    case SYS_openat:
    case SYS_openat2:
    case SYS_mkdirat:
    case SYS_unlinkat:
    case SYS_mknodat:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_fchmodat:
    case SYS_fchownat:
    case SYS_utimensat:
    case SYS_inotify_add_watch:
      return kServePath1;
    case SYS_stat:
    case SYS_lstat:
    case SYS_statfs:
      return kServeStat0;
    case SYS_newfstatat:
      return kServeStat1;
    case SYS_statx:
      return kServeStatx;
    case SYS_access:
      return kServeAccess0;
    case SYS_faccessat:
    case SYS_faccessat2:
      return kServeAccess1;
    case SYS_readlink:
      return kServeReadlink0;
    case SYS_readlinkat:
      return kServeReadlink1;
    case SYS_getdents:
    case SYS_getdents64:
    case SYS_getcwd:
      return kServeDirectory;
    case SYS_clone:
      return kServeClone;
    case SYS_fork:
      return kServeFork;
    case SYS_vfork:
      return kServeVfork;
    case SYS_clone3:
      return kServeClone3;
    case SYS_wait4:
      return kServeWait4;
    case SYS_rt_sigaction:
      return kServeSigaction;
    case SYS_rt_sigtimedwait:
      return kServeSigwait;
    case SYS_execve:
    case SYS_execveat:
      return kServeExec;
    case SYS_kill:
      return kServeKill;
    case SYS_tgkill:
      return kServeTgkill;
    default:
      return kServeNone;
  }
}

int path_argument(Service service) {
  switch (service) {
    case kServePath0:
    case kServeStat0:
    case kServeAccess0:
    case kServeReadlink0:
      return 0;
    case kServePath1:
    case kServePathAtCwd:
    case kServeStat1:
    case kServeStatx:
    case kServeAccess1:
    case kServeReadlink1:
      return 1;
    default:
      return -1;
  }
}

}  // namespace warren::inject
