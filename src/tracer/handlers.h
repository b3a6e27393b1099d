// Every system-call handler, by family; syscalls.def says which call goes to which.
#pragma once

namespace warren {

class SyscallContext;

// The process tree (sys_clone.cc).
void sys_clone(SyscallContext&);
void sys_clone3(SyscallContext&);
void sys_fork(SyscallContext&);
void sys_vfork(SyscallContext&);
// Death and memory that outlives it (sys_exit.cc).
void sys_exit(SyscallContext&);
void sys_share_memory(SyscallContext&);
// Filters of the guest's own (sys_seccomp.cc).
void sys_own_filter(SyscallContext&);
// Waiting (sys_wait.cc).
void sys_wait4(SyscallContext&);
void sys_waitid(SyscallContext&);
// Guests that trace guests (sys_ptrace.cc).
void sys_ptrace_begin(SyscallContext&);
void sys_ptrace(SyscallContext&);
// Identity (sys_id.cc).
void sys_getpid(SyscallContext&);
void sys_gettid(SyscallContext&);
void sys_getppid(SyscallContext&);
void sys_getpgrp(SyscallContext&);
void sys_getpgid(SyscallContext&);
void sys_getsid(SyscallContext&);
void sys_set_tid_address(SyscallContext&);
void sys_setpgid(SyscallContext&);
void sys_setsid(SyscallContext&);
// Signals (sys_signal.cc).
void sys_kill(SyscallContext&);
void sys_tkill(SyscallContext&);
void sys_tgkill(SyscallContext&);
void sys_rt_sigqueueinfo(SyscallContext&);
void sys_rt_tgsigqueueinfo(SyscallContext&);
void sys_rt_sigtimedwait(SyscallContext&);
void sys_timer_create(SyscallContext&);
// Where guests run untraced: what makes a process one that is traced.
void sys_sigaction(SyscallContext&);
void sys_wants_signals(SyscallContext&);
void sys_interval_timer(SyscallContext&);
// Descriptors of processes (sys_pidfd.cc).
void sys_pidfd_send_signal(SyscallContext&);
void sys_pidfd_getfd(SyscallContext&);
// Namespaces (sys_namespace.cc).
void sys_unshare(SyscallContext&);
void sys_setns(SyscallContext&);
void sys_ioctl_namespace(SyscallContext&);
// Calls that task groups have a say in (sys_group.cc).
void sys_setaffinity(SyscallContext&);
void sys_uname(SyscallContext&);
void sys_sethostname(SyscallContext&);
void sys_setdomainname(SyscallContext&);
void sys_mount(SyscallContext&);
void sys_umount(SyscallContext&);
// Calls that name a task by number (sys_pid_args.cc).
void sys_pid_arg0(SyscallContext&);
void sys_priority(SyscallContext&);
void sys_ioprio(SyscallContext&);
void sys_clock(SyscallContext&);
void sys_perf_event_open(SyscallContext&);
void sys_kcmp(SyscallContext&);
void sys_capget(SyscallContext&);
void sys_capset(SyscallContext&);
void sys_prctl(SyscallContext&);
// Descriptors that name a task (sys_owner.cc).
void sys_fcntl(SyscallContext&);
void sys_ioctl_pid(SyscallContext&);
void sys_getsockopt(SyscallContext&);
// Paths that may lead into /proc (sys_path.cc).
void sys_open(SyscallContext&);
void sys_openat(SyscallContext&);
void sys_openat2(SyscallContext&);
void sys_creat(SyscallContext&);
void sys_stat(SyscallContext&);
void sys_lstat(SyscallContext&);
void sys_newfstatat(SyscallContext&);
void sys_statx(SyscallContext&);
void sys_access(SyscallContext&);
void sys_faccessat(SyscallContext&);
void sys_faccessat2(SyscallContext&);
void sys_readlink(SyscallContext&);
void sys_readlinkat(SyscallContext&);
void sys_getdents(SyscallContext&);
void sys_getdents64(SyscallContext&);
void sys_getcwd(SyscallContext&);
void sys_chdir(SyscallContext&);
void sys_statfs(SyscallContext&);
void sys_change_path(SyscallContext&);
void sys_change_path_at(SyscallContext&);
void sys_watch_path(SyscallContext&);
void sys_symlink(SyscallContext&);
void sys_symlinkat(SyscallContext&);
void sys_execve(SyscallContext&);
void sys_execveat(SyscallContext&);

}  // namespace warren
