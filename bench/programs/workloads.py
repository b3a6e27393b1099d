"""The rows of the table: each is a command that prints one figure, the unit of that figure, and
what warren aims at."""

import contextlib
import os

from aims import AtMost, BeyondNative, NoWorseThan, Slowdown
from measure import Failed, run_once
from memory import GuestMemory, SupervisorMemory
from scratch import CONFIGURE_PACKAGE, DATA_MEGABYTES

FORKING_GUESTS = (1, 2, 4, 8, 16)
LIVE_GUESTS = (10, 1000, 5000)


class Workload:
    """A row of the table. `command` runs in `directory`, which is relative to the scratch
    directory. What stands in `outside` runs in front of the column's own command instead of behind
    it. `needs` are files without which the row cannot be measured; `repeats` is how often the
    command does that of which the figure, in seconds, is for one."""

    most_rounds = None  # as many rounds as all

    def __init__(self, name, what, unit, command, aim=None, outside=(), needs=(), repeats=1,
                 directory=".", plotted=True):
        self.name = name
        self.what = what
        self.unit = unit
        self.command = command
        self.aim = aim
        self.outside = list(outside)
        self.needs = needs
        self.repeats = repeats
        self.directory = directory
        self.plotted = plotted

    def missing(self, scratch):
        """Returns why this row cannot be measured here, or None when it can."""
        for path in self.needs:
            if not os.path.exists(os.path.join(scratch, path)):
                return f"{path} could not be made (is the package installed that it is from?)"
        return None

    def warm_up(self, launcher, cwd):
        """Runs it natively once, and the figure is lost."""
        with contextlib.suppress(Failed):
            run_once(launcher + self.command, os.path.join(cwd, self.directory))

    def sample(self, column, launcher, cwd):
        """Runs it once in `column`, and returns the figure."""
        return run_once(launcher + self.outside + column.prefix + self.command,
                        os.path.join(cwd, self.directory))


def _timed(name, what, *command, aim=None, repeats=1, needs=(), directory="."):
    timed = os.path.join(os.path.relpath(".", directory), "timed")
    return Workload(name, what, "s", [timed, str(repeats), *command], aim=aim, repeats=repeats,
                    needs=needs, directory=directory)


def _call_rows(seconds):
    """Calls and signals."""

    def loop(name, what, *command, aim=None):
        return Workload(name, what, "us", [f"./{command[0]}", seconds, *command[1:]], aim=aim)

    return [
        loop("getuid", "a call without pid or path", "number", "getuid"),
        loop("getpid", "getpid", "number", "getpid", aim=Slowdown(1.05)),
        loop("gettid", "gettid", "number", "gettid", aim=Slowdown(1.05)),
        loop("getppid", "getppid", "number", "getppid", aim=Slowdown(1.05)),
        loop("stat", "stat of a file", "stat", aim=Slowdown(1.03)),
        loop("open_close", "open + close of a file", "open_close", aim=Slowdown(1.03)),
        loop("kill_self", "kill self, with a handler", "kill_self", aim=Slowdown(3)),
        loop("sigqueue", "sigqueue ping-pong between two processes", "sigqueue_ping_pong",
             aim=Slowdown(2)),
        loop("pipe", "pipe ping-pong between two processes", "pipe_ping_pong", aim=Slowdown(1)),
        loop("thread_join", "pthread create + join", "thread_join", aim=Slowdown(1.15)),
        loop("fork", "fork + exit + wait", "child", "fork", aim=Slowdown(1.05)),
        loop("fork_exec", "fork + exec + wait", "child", "fork_exec", aim=Slowdown(1.12)),
        loop("vfork_exec", "vfork + exec + wait", "child", "vfork_exec", aim=Slowdown(1.12)),
        loop("posix_spawn", "posix_spawn + wait", "child", "posix_spawn", aim=Slowdown(1.12)),
    ]


def _many_guest_rows(seconds, quick):
    """What happens when there are many guests, asleep or busy."""
    rows = []
    few = LIVE_GUESTS[0]
    for count in LIVE_GUESTS:
        aim = NoWorseThan(f"fork_{few}", f"ratio of {few}") if count != few else None
        rows.append(Workload(f"fork_{count}", f"fork + exit + wait beside {count:,} guests", "us",
                             ["./crowd", str(count), "./child", seconds, "fork"], aim=aim))
    for count in FORKING_GUESTS:
        aim = NoWorseThan("forks_1", "ratio of 1") if count == 2 else None
        guests = "guest that forks" if count == 1 else "guests that fork at once"
        rows.append(Workload(f"forks_{count}", f"forks a second of {count} {guests}", "/s",
                             ["./forks", seconds, str(count)], aim=aim, plotted=False))
    many = 200 if quick else 1000
    return rows + [SupervisorMemory("memory_supervisor", 10, many, AtMost(2, "2 KB")),
                   GuestMemory("memory_guest", many, BeyondNative(64, "+64 KB"))]


def _program_rows(quick):
    """Whole programs."""
    loops = 100 if quick else 500
    bytes_copied = 50_000 if quick else 500_000
    copies = 8 if quick else 32
    times = 3 if quick else 10
    tree = "/usr/lib" if quick else "/usr"
    return [
        _timed("dd", f"dd, {bytes_copied:,} blocks of one byte", "dd", "if=/dev/zero",
               "of=/dev/null", "bs=1", f"count={bytes_copied}", "status=none", aim=Slowdown(1)),
        _timed("cat", f"cat of {copies * DATA_MEGABYTES:,} MB", "cat", *["data"] * copies,
               aim=Slowdown(1)),
        # A directory that only root may read makes find end with 1, in every column alike.
        _timed("find", f"find {tree}", "sh", "-c", f"find {tree} -xdev 2>/dev/null; true",
               aim=Slowdown(1.03)),
        _timed("git_status", "git status", "git", "-C", "repository", "status", repeats=times,
               needs=["repository/.git/index"], aim=Slowdown(1.05)),
        _timed("bash_loop", f"bash -c, {loops} times /bin/true", "bash", "-c",
               f"for ((i = 0; i < {loops}; i++)); do /bin/true; done", aim=Slowdown(1.10)),
        # It starts where it is: proot does not know every call by which a program asks about a
        # file beside it, once it has gone to another directory by itself.
        _timed("configure", f"configure of {CONFIGURE_PACKAGE}", "./configure", "-q",
               needs=["package/libltdl/configure"], directory="package/libltdl",
               aim=Slowdown(1.06)),
        _timed("make", "make -j2 of a C project of 50 files", "make", "-s", "-B", "-j2", "-C",
               "project", aim=Slowdown(1.03)),
        # Natively ps sees the whole host; 50 processes of our own make the namespaces comparable.
        Workload("ps", "ps -ef beside 50 processes", "s",
                 ["./crowd", "50", "./timed", str(times), "ps", "-ef"], repeats=times),
        Workload("start", "start it all, run /bin/true, end it all", "s", ["/bin/true"],
                 outside=["./timed", str(times)], repeats=times, aim=AtMost(0.025, "25 ms")),
    ]


def all_workloads(quick):
    """Every row. `quick` makes each shorter, for a look rather than a measurement."""
    seconds = "0.1" if quick else "0.4"
    return _call_rows(seconds) + _many_guest_rows(seconds, quick) + _program_rows(quick)
