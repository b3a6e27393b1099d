"""The rows that measure memory: a crowd of sleeping guests is started, and while it sleeps the
processes are looked at from outside, in /proc/PID/smaps_rollup."""

import contextlib
import os
import subprocess
import threading

from measure import Failed, TIMEOUT, complaint, environment


def _parents():
    """{pid: its parent} of every process of the host."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="latin-1") as file:
            # The name in brackets may hold anything; what follows the last bracket does not.
            parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
    return parents


def _tree(root):
    """`root` and all its descendants."""
    children = {}
    for pid, parent in _parents().items():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _arguments(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().split(b"\0")
    return []


def _kilobytes(pid, file, *keys):
    """The sum of these lines of a file of /proc/PID."""
    try:
        with open(f"/proc/{pid}/{file}", encoding="ascii", errors="replace") as lines:
            return sum(int(line.split()[1]) for line in lines if line.split(":")[0] in keys)
    except OSError as error:
        raise Failed(f"/proc/PID/{file} of a process cannot be read: {error.strerror}") from None


class Crowd:
    """`count` sleeping guests, each a program of its own, in the column's kind of namespace; they
    live as long as the `with` block."""

    def __init__(self, column, launcher, cwd, count):
        self._column, self._launcher, self._cwd, self._count = column, launcher, cwd, count
        self._process = self._alarm = None

    def __enter__(self):
        command = ["./crowd", "-x", str(self._count), "sh", "-c", "echo ready; read line"]
        self._process = subprocess.Popen(
            self._launcher + self._column.prefix + command, cwd=self._cwd, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(), start_new_session=True)
        self._alarm = threading.Timer(TIMEOUT, self._process.kill)
        self._alarm.start()
        if self._process.stdout.readline() != "ready\n":
            self._alarm.cancel()
            self._process.kill()
            raise Failed("the guests did not start: " + complaint(self._process.communicate()[1]))
        return self

    def __exit__(self, *exception):
        self._process.stdin.write("\n")
        self._process.communicate()
        self._alarm.cancel()

    def guests(self):
        """The host's pids of the sleepers."""
        found = [pid for pid in _tree(self._process.pid) if b"--sleep" in _arguments(pid)]
        if len(found) < self._count:
            raise Failed(f"{len(found)} of {self._count} guests are to be seen from outside")
        return found

    def supervisors(self):
        """The pids of the processes that run the namespace and are not guests: those of the
        program that the column puts in front."""
        name = os.path.basename(self._column.prefix[0])
        found = []
        for pid in _tree(self._process.pid):
            with contextlib.suppress(OSError):
                if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == name:
                    found.append(pid)
        if not found:
            raise Failed(f"no process of {name} is to be seen")
        return found


class SupervisorMemory:
    """A row: how much the supervisor grows for each further guest. Resident memory counts, shared
    or not, so that tables which guests map as well are in it."""

    unit = "KB"
    most_rounds = 1
    plotted = False

    def __init__(self, name, few, many, aim):
        self.name, self.few, self.many, self.aim = name, few, many, aim
        self.what = f"memory of the supervisor, each guest, {few} to {many:,}"

    def missing(self, scratch):
        return None

    def warm_up(self, launcher, cwd):
        pass

    def sample(self, column, launcher, cwd):
        """Runs it once, and returns the figure."""
        if not column.prefix:
            return 0.0
        sizes = []
        for count in (self.few, self.many):
            with Crowd(column, launcher, cwd, count) as crowd:
                sizes.append(sum(_kilobytes(pid, "smaps_rollup", "Rss")
                                 for pid in crowd.supervisors()))
        return (sizes[1] - sizes[0]) / (self.many - self.few)


class GuestMemory:
    """A row: what a guest takes, as the mean over many. A page that several processes share counts
    in parts (Pss); page tables count too, since a mapping far from the others needs its own."""

    unit = "KB"
    most_rounds = 1
    plotted = False

    def __init__(self, name, count, aim):
        self.name, self.count, self.aim = name, count, aim
        self.what = f"memory of a guest, mean of {count:,}"

    def missing(self, scratch):
        return None

    def warm_up(self, launcher, cwd):
        pass

    def sample(self, column, launcher, cwd):
        """Runs it once, and returns the figure."""
        with Crowd(column, launcher, cwd, self.count) as crowd:
            guests = crowd.guests()
            return sum(_kilobytes(pid, "smaps_rollup", "Pss") + _kilobytes(pid, "status", "VmPTE")
                       for pid in guests) / len(guests)
