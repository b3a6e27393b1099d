"""The ways of running a program that the benchmark compares, and which of them this host allows."""

import os
import shutil
import subprocess


class Column:
    """One way of running a command: a name, what it is, and the command put in front. Those of
    warren itself have `ours` set; one of them has to meet the aims (`judged`)."""

    def __init__(self, name, what, prefix, ours=False):
        self.name = name
        self.what = what
        self.prefix = prefix
        self.ours = ours
        self.judged = False

    def missing(self, launcher, cwd):
        """Returns why this column cannot be measured here, or None when it can."""
        if self.prefix and not shutil.which(self.prefix[0]):
            return f"{os.path.basename(self.prefix[0])} is not there"
        try:
            result = subprocess.run(launcher + self.prefix + ["/bin/true"], cwd=cwd, timeout=30,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, text=True)
        except subprocess.TimeoutExpired:
            return "running /bin/true did not end within 30 s"
        if result.returncode != 0:
            said = result.stderr.strip().splitlines()
            return f"running /bin/true ends with {result.returncode}" + (
                f" ({said[-1]})" if said else "")
        return None


def warren_columns(warren):
    """A column for each back end; one alone when the binary has no choice of back ends."""
    try:
        text = subprocess.run([warren, "run", "--help"], stdout=subprocess.PIPE, text=True,
                              check=False).stdout
    except OSError:
        text = ""
    if "--backend" not in text:
        return [Column("warren", "warren run", [warren, "run", "--"], ours=True)]
    return [Column(f"warren-{backend}", f"warren run --backend={backend}",
                   [warren, "run", f"--backend={backend}", "--"], ours=True)
            for backend in ("untraced", "inject", "ptrace")]


def all_columns(warren):
    """Every column in the order of the table; `warren` is the path of the binary."""
    return [
        Column("native", "no namespace at all", []),
        *warren_columns(warren),
        Column("kernel", "the kernel's own: unshare -Urpf --mount-proc",
               ["unshare", "-Urpf", "--kill-child", "--mount-proc", "--"]),
        Column("bwrap", "the kernel's own, with bubblewrap's init",
               ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--unshare-pid", "--proc",
                "/proc", "--die-with-parent", "--"]),
        Column("proot", "Debian's proot", ["proot"]),
        # Without a set of calls strace stops at every call and its filter has nothing to do. These
        # are the calls that any tracer of PID namespaces has to see.
        Column("strace", "strace -f with a seccomp filter for process, pid and signal calls",
               ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e",
                "trace=%process,getpid,getppid,gettid,kill,tgkill,tkill"]),
        # KVM is root's on most machines; ptrace is what gVisor does without it.
        Column("runsc", "gVisor: runsc --rootless --platform=ptrace do",
               ["runsc", "--rootless", "--network=none", "--ignore-cgroups", "--platform=ptrace",
                "do", "--quiet"]),
        Column("dmtcp", "dmtcp_launch: wraps the C library for checkpoints, gives virtual pids",
               ["dmtcp_launch", "--quiet", "--new-coordinator"]),
    ]


def available(columns, launcher, cwd):
    """Those that work here, and {name: why it is left out} of the others. The aims are for the
    first of warren's own that works."""
    working, skipped = [], {}
    for column in columns:
        why = column.missing(launcher, cwd)
        if why:
            skipped[column.name] = why
            continue
        column.judged = column.ours and not any(c.judged for c in working)
        working.append(column)
    return working, skipped


def user_launcher(home):
    """The command that turns root into an ordinary user with the home directory `home`; nothing
    when the benchmark is run by an ordinary user. Returns (launcher, uid, gid)."""
    if os.getuid() != 0:
        return [], os.getuid(), os.getgid()
    uid = int(os.environ.get("SUDO_UID", 65534))
    gid = int(os.environ.get("SUDO_GID", 65534))
    if uid == 0:
        uid = gid = 65534
    launcher = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
                "--inh-caps=-all", "--", "env", "-u", "XDG_RUNTIME_DIR", f"HOME={home}"]
    return launcher, uid, gid
