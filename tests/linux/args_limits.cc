// prlimit64 of another process, capget, get_robust_list, kcmp, process_vm_*, by their pid argument.
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <sys/uio.h>

#include "harness.h"

static long compare(pid_t a, pid_t b, int type, unsigned long i = 0, unsigned long j = 0) {
  return raw(SYS_kcmp, a, b, type, static_cast<long>(i), static_cast<long>(j));
}

static char buffer[16] = "init's";

int main() {
  below_init([] {
    Gate ready, go;
    strcpy(buffer, "mine");
    pid_t child = spawn([&] {
      strcpy(buffer, "child's");
      ready.open();
      go.close_writer();
      go.pass();
      rlimit limit;
      getrlimit(RLIMIT_NOFILE, &limit);
      say("child: soft limit %lu, buffer %s", limit.rlim_cur, buffer);
    });
    ready.pass();
    rlimit old = {}, wanted;
    SHOW(prlimit(child, RLIMIT_NOFILE, nullptr, &old));
    wanted = {100, old.rlim_max};
    SHOW(prlimit(child, RLIMIT_NOFILE, &wanted, nullptr));
    SHOW(prlimit(child, RLIMIT_NOFILE, nullptr, &old));
    say("soft %lu", old.rlim_cur);
    SHOW(prlimit(0, RLIMIT_NOFILE, nullptr, &old));
    say("own differs %d", old.rlim_cur != 100);
    SHOW(prlimit(9999, RLIMIT_NOFILE, nullptr, &old));
    SHOW(prlimit(-1, RLIMIT_NOFILE, nullptr, &old));
    SHOW(prlimit(child, static_cast<__rlimit_resource>(99), nullptr, &old));
    SHOW(prlimit(child, RLIMIT_NOFILE, nullptr, reinterpret_cast<rlimit*>(16)));

    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, child};
    __user_cap_data_struct data[2];
    SHOW(raw(SYS_capget, arg(&header), arg(data)));
    header.pid = 9999;
    SHOW(raw(SYS_capget, arg(&header), arg(data)));
    header.pid = -1;
    SHOW(raw(SYS_capget, arg(&header), arg(data)));
    header.pid = 0;
    SHOW(raw(SYS_capget, arg(&header), arg(data)));
    header.pid = getpid();
    SHOW(raw(SYS_capget, arg(&header), arg(data)));
    SHOW(raw(SYS_capset, arg(&header), arg(data)));
    header.pid = child;
    SHOW(raw(SYS_capset, arg(&header), arg(data)));
    header.version = 1;
    header.pid = 0;
    SHOW(raw(SYS_capget, arg(&header), 0));
    say("version filled in %d", header.version == _LINUX_CAPABILITY_VERSION_3);

    robust_list_head *own = nullptr, *theirs = nullptr;
    size_t length = 0;
    SHOW(raw(SYS_get_robust_list, 0, arg(&own), arg(&length)));
    SHOW(raw(SYS_get_robust_list, getpid(), arg(&theirs), arg(&length)));
    say("the same %d length %zu", own == theirs && own != nullptr, length);
    SHOW(raw(SYS_get_robust_list, child, arg(&theirs), arg(&length)));
    SHOW(raw(SYS_get_robust_list, 9999, arg(&theirs), arg(&length)));

    SHOW(compare(getpid(), getpid(), KCMP_VM));
    say("vm of a child differs %d", compare(getpid(), child, KCMP_VM) > 0);
    SHOW(compare(getpid(), child, KCMP_FILE, 1, 1));
    SHOW(compare(getpid(), child, KCMP_FILE, 1, 900));
    SHOW(compare(getpid(), 9999, KCMP_VM));
    SHOW(compare(9999, getpid(), KCMP_VM));
    SHOW(compare(getpid(), child, 99));

    char text[16] = {};
    iovec local = {text, sizeof text}, remote = {buffer, sizeof buffer};
    SHOW(process_vm_readv(child, &local, 1, &remote, 1, 0));
    say("read %s", text);
    strcpy(text, "written");
    SHOW(process_vm_writev(child, &local, 1, &remote, 1, 0));
    SHOW(process_vm_readv(9999, &local, 1, &remote, 1, 0));
    SHOW(process_vm_writev(9999, &local, 1, &remote, 1, 0));
    SHOW(process_vm_readv(-1, &local, 1, &remote, 1, 0));
    SHOW(process_vm_readv(child, &local, 1, &remote, 1, 1));
    remote.iov_base = reinterpret_cast<void*>(16);
    SHOW(process_vm_readv(child, &local, 1, &remote, 1, 0));
    remote.iov_base = buffer;
    SHOW(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
    say("own %s", text);
    go.open();
    say("%s", reap(child).c_str());
    SHOW(process_vm_readv(child, &local, 1, &remote, 1, 0));
    SHOW(prlimit(child, RLIMIT_NOFILE, nullptr, &old));
  });
}
