"""Two worlds in which the same steps can be taken: the kernel's cgroups, and warren's groups.

Every step returns what it told: "ok", a text, or the name of an errno. Tasks have names in place of
numbers. Hierarchies are "v2", or the name of a v1 controller.
"""

import contextlib
import ctypes
import errno
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time

CGROUP = "/sys/fs/cgroup"
DEADLINE = 20  # seconds; for what the kernel does some time later
PR_SET_CHILD_SUBREAPER = 36
NUMBERS = ("tasks", "cgroup.procs", "cgroup.threads")  # files that list tasks
FREEZER = ("do_freezer_trap", "get_signal")  # where frozen tasks sleep; the first is often inlined


def errno_name(number):
    return errno.errorcode.get(number, str(number))


def until(condition, otherwise):
    """Waits for what nothing tells of."""
    limit = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > limit:
            raise RuntimeError(otherwise)
        time.sleep(0.001)


def frozen_file(hierarchy):
    """The file that says that all of a group have stopped, and how."""
    return ("cgroup.events", "frozen 1") if hierarchy == "v2" else ("freezer.state", "FROZEN")


class World:
    """What both share: the names of tasks, and steps made of others."""

    def __init__(self):
        self.numbers = {}  # task name -> number
        self.threads = {}  # process name -> names of its threads

    def name_of(self, number):
        for name, known in self.numbers.items():
            if known == int(number):
                return name
        return "?" + number

    def show(self, file, text):
        if file.split("/")[-1] not in NUMBERS or not text.strip().replace("\n", "").isdigit():
            return text
        return " ".join(sorted(self.name_of(line) for line in text.split()))

    def move(self, hierarchy, path, task, file="cgroup.procs"):
        return self.write(hierarchy, path, file, str(self.numbers[task]))

    def forget(self, task):
        self.numbers.pop(task)
        for thread in self.threads.pop(task, ()):
            self.numbers.pop(thread, None)


class Ours(World):
    """warren's groups without processes, by the groups_driver program."""

    def __init__(self, driver, hierarchies):
        super().__init__()
        self.driver = subprocess.Popen([driver, str(os.cpu_count())], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self.ids = {}
        for hierarchy in hierarchies:
            options = "" if hierarchy == "v2" else hierarchy
            self.ids[hierarchy] = self.ask("mount", options)
            self.ask("mkdir", self.ids[hierarchy], "base")

    def close(self):
        self.driver.stdin.close()
        status = self.driver.wait()
        if status != 0:
            raise RuntimeError(f"groups_driver ended with {status}")

    def ask(self, *words):
        line = "\t".join(w.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
                         for w in words)
        self.driver.stdin.write(line + "\n")
        self.driver.stdin.flush()
        kind, text = self.driver.stdout.readline().rstrip("\n").split("\t", 1)
        if kind == "error":
            raise OSError(int(text), "")
        return text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")

    def step(self, *words):
        try:
            return self.ask(*words) or "ok"
        except OSError as error:
            return errno_name(error.errno)

    def on_group(self, command, hierarchy, path, *words):
        return self.step(command, self.ids[hierarchy], os.path.join("base", path), *words)

    def mkdir(self, hierarchy, path):
        return self.on_group("mkdir", hierarchy, path)

    def rmdir(self, hierarchy, path):
        return self.on_group("rmdir", hierarchy, path)

    def rename(self, hierarchy, path, name):
        return self.on_group("rename", hierarchy, path, name)

    def read(self, hierarchy, path, file):
        try:
            text = self.ask("read", self.ids[hierarchy], os.path.join("base", path), file)
        except OSError as error:
            return errno_name(error.errno)
        return self.show(file, text)

    def write(self, hierarchy, path, file, text):
        # The kernel strips what a file system brings; here that is the caller's part.
        return self.on_group("write", hierarchy, path, file, text.strip())

    def make(self, command, parent, name):
        try:
            self.numbers[name] = int(self.ask(command, parent, name))
        except OSError as error:
            return errno_name(error.errno)
        return "ok"

    def spawn(self, name):
        return self.make("fork", "init", name)

    def fork(self, parent, name):
        return self.make("fork", parent, name)

    def thread(self, process, name):
        made = self.make("thread", process, name)
        if made == "ok":
            self.threads.setdefault(process, []).append(name)
        return made

    def end_thread(self, process, name):
        self.threads[process].remove(name)
        del self.numbers[name]
        return self.step("exit", name)

    def exit(self, name):
        for thread in self.threads.pop(name, []):
            del self.numbers[thread]
        return self.step("exit", name)

    def reap(self, name):
        self.forget(name)
        return self.step("reap", name)

    def await_dead(self, names):
        self.ask("settle")
        for name in names:
            for thread in self.threads.pop(name, []):
                del self.numbers[thread]
        return "ok"

    def await_frozen(self, hierarchy, path):
        self.ask("settle")
        file, wanted = frozen_file(hierarchy)
        text = self.read(hierarchy, path, file)
        return "ok" if wanted in text else f"still {text!r}"


class Puppet:
    """A process of the kernel's world, which does what its FIFO says."""

    def __init__(self, world, name):
        self.world = world
        self.threads = {}
        self.commands = os.fdopen(os.open(world.fifo(name), os.O_RDWR), "r")

    def run(self):
        while True:
            words = self.commands.readline().split()
            answer = getattr(self, "do_" + words[0])(*words[1:])
            os.write(self.world.reply_fd, (answer + "\n").encode())

    def do_fork(self, name):
        try:
            pid = os.fork()
        except OSError as error:
            return errno_name(error.errno)
        if pid == 0:
            self.world.become_puppet(name)
        return str(pid)

    def do_thread(self, name):
        ready, end = threading.Event(), threading.Event()
        ids = []

        def body():
            ids.append(threading.get_native_id())
            ready.set()
            end.wait()

        thread = threading.Thread(target=body, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # pthread_create(3): EAGAIN; Python does not tell the number
            return "EAGAIN"
        ready.wait()
        self.threads[name] = (thread, end)
        return str(ids[0])

    def do_end_thread(self, name):
        thread, end = self.threads.pop(name)
        end.set()
        thread.join()
        return "ok"

    def do_reap(self, pid):
        os.waitpid(int(pid), 0)
        return "ok"

    def do_exit(self):
        os._exit(0)


class Mounted(World):
    """Groups that are mounted, in directories of our own, with real processes: warren's for a guest, and
    the base of Kernel. `mounts`: the directory of each hierarchy."""

    def __init__(self, mounts):
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="warren-cgroup-")
        self.replies, self.reply_fd = os.pipe()
        self.reply_file = os.fdopen(self.replies, "r")
        self.fifos = {}
        self.pidfds = {}
        self.parents = {}
        self.bases = {}
        # Orphans come to us, as those of the other world come to its init.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        for hierarchy, mount in mounts.items():
            base = os.path.join(mount, f"warren-{os.getpid()}")
            os.mkdir(base)
            self.bases[hierarchy] = base
            if hierarchy == "cpuset":  # in v1 a group without processors can have no tasks
                for file in ("cpuset.cpus", "cpuset.mems"):
                    with open(os.path.join(mount, file), encoding="ascii") as above:
                        self.write(hierarchy, "", file, above.read().strip())

    def close(self):
        for base in self.bases.values():
            for directory, _, _ in os.walk(base):
                for file, text in (("cgroup.freeze", "0"), ("freezer.state", "THAWED")):
                    with contextlib.suppress(OSError):
                        with open(os.path.join(directory, file), "w", encoding="ascii") as out:
                            out.write(text)
        for name in self.pidfds:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfds[name], signal.SIGKILL)
        for fd in self.pidfds.values():
            select.select([fd], [], [], DEADLINE)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        for base in self.bases.values():
            for directory, _, _ in os.walk(base, topdown=False):
                os.rmdir(directory)
        for fd in [*self.fifos.values(), *self.pidfds.values(), self.reply_fd]:
            os.close(fd)
        self.reply_file.close()
        shutil.rmtree(self.directory)

    def fifo(self, name):
        return os.path.join(self.directory, name)

    def become_puppet(self, name):
        """In a fresh child: never returns."""
        try:
            Puppet(self, name).run()
        finally:
            os._exit(99)

    def command(self, name, *words):
        os.write(self.fifos[name], (" ".join(words) + "\n").encode())
        ready, _, _ = select.select([self.replies], [], [], DEADLINE)
        if not ready:
            raise RuntimeError(f"{name} does not answer to {words}")
        return self.reply_file.readline().strip()

    def path(self, hierarchy, path, *file):
        return os.path.join(self.bases[hierarchy], path, *file)

    @staticmethod
    def attempt(function, *args):
        try:
            return function(*args) or "ok"
        except OSError as error:
            return errno_name(error.errno)

    def mkdir(self, hierarchy, path):
        return self.attempt(os.mkdir, self.path(hierarchy, path))

    def rmdir(self, hierarchy, path):
        return self.attempt(os.rmdir, self.path(hierarchy, path))

    def rename(self, hierarchy, path, name):
        source = self.path(hierarchy, path)
        return self.attempt(os.rename, source, os.path.join(os.path.dirname(source), name))

    def read(self, hierarchy, path, file):
        try:
            with open(self.path(hierarchy, path, file), encoding="utf-8") as opened:
                return self.show(file, opened.read())
        except OSError as error:
            return errno_name(error.errno)

    def write(self, hierarchy, path, file, text):
        def do():
            fd = os.open(self.path(hierarchy, path, file), os.O_WRONLY)
            try:
                os.write(fd, (text + "\n").encode())
            finally:
                os.close(fd)
        return self.attempt(do)

    def adopt(self, parent, name, answer):
        if not answer.isdigit():
            return answer
        self.numbers[name] = int(answer)
        self.parents[name] = parent
        self.pidfds[name] = os.pidfd_open(int(answer))
        return "ok"

    def prepare(self, name):
        os.mkfifo(self.fifo(name))
        self.fifos[name] = os.open(self.fifo(name), os.O_RDWR)

    def discard(self, name):
        os.close(self.fifos.pop(name))
        os.unlink(self.fifo(name))

    def spawn(self, name):
        self.prepare(name)
        pid = os.fork()
        if pid == 0:
            self.become_puppet(name)
        return self.adopt(None, name, str(pid))

    def fork(self, parent, name):
        self.prepare(name)
        answer = self.adopt(parent, name, self.command(parent, "fork", name))
        if answer != "ok":
            self.discard(name)
        return answer

    def thread(self, process, name):
        answer = self.command(process, "thread", name)
        if not answer.isdigit():
            return answer
        self.numbers[name] = int(answer)
        self.threads.setdefault(process, []).append(name)
        return "ok"

    def tasks(self, hierarchy, path=""):
        """The numbers of those in a group and below."""
        file = "cgroup.threads" if hierarchy == "v2" else "tasks"
        numbers = set()
        for directory, _, _ in os.walk(self.path(hierarchy, path)):
            with open(os.path.join(directory, file), encoding="ascii") as opened:
                numbers.update(opened.read().split())
        return numbers

    def is_listed(self, number):
        """No dead task stays so, but the host knows of a guest's death before warren does."""
        return any(str(number) in self.tasks(hierarchy) for hierarchy in self.bases)

    def end_thread(self, process, name):
        tid = self.numbers.pop(name)
        self.threads[process].remove(name)
        answer = self.command(process, "end_thread", name)
        # A joined thread is still a thread for a moment.
        file = f"/proc/{self.numbers[process]}/task/{tid}"
        until(lambda: not os.path.exists(file) and not self.is_listed(tid),
              f"thread {name} does not end")
        return answer

    def exit(self, name):
        os.write(self.fifos[name], b"exit\n")
        return self.await_dead([name])

    def await_dead(self, names):
        for name in names:
            if not select.select([self.pidfds[name]], [], [], DEADLINE)[0]:
                raise RuntimeError(f"{name} does not die")
            until(lambda: not self.is_listed(self.numbers[name]), f"{name} is dead and listed")
            for thread in self.threads.pop(name, []):
                del self.numbers[thread]
        return "ok"

    def reap(self, name):
        pid = self.numbers[name]
        self.forget(name)
        os.close(self.pidfds.pop(name))
        self.discard(name)
        parent = self.parents.pop(name)
        if parent in self.pidfds and not select.select([self.pidfds[parent]], [], [], 0)[0]:
            return self.command(parent, "reap", str(pid))
        os.waitpid(pid, 0)
        return "ok"

    def await_frozen(self, hierarchy, path):
        file, wanted = frozen_file(hierarchy)
        limit = time.monotonic() + DEADLINE
        with open(self.path(hierarchy, path, file), encoding="utf-8") as opened:
            while True:
                text = opened.read()
                if wanted in text:
                    return "ok"
                if time.monotonic() > limit:
                    return f"still {text!r}"
                # cgroup.events tells of its changes; the files of v1 have to be asked again.
                if file == "cgroup.events":
                    poll = select.poll()
                    poll.register(opened, select.POLLPRI)
                    poll.poll(DEADLINE * 1000)
                else:
                    time.sleep(0.001)
                opened.seek(0)


class Kernel(Mounted):
    """The kernel's groups."""

    def await_frozen(self, hierarchy, path):
        """A group of v2 that has tasks and groups below says "frozen 1" as soon as either have stopped,
        and "frozen 0" again when one of its tasks stops and another is still to. What it says is sure
        to last when every task, its own and those below, sleeps in the freezer."""
        for number in self.tasks(hierarchy, path) if hierarchy == "v2" else ():
            until(lambda: self.sleeps_in(number) in FREEZER,
                  f"{self.name_of(number)} does not freeze")
        return super().await_frozen(hierarchy, path)

    @staticmethod
    def sleeps_in(number):
        """The function of the kernel; "0" for one that runs."""
        with open(f"/proc/{number}/wchan", encoding="ascii") as wchan:
            return wchan.read()


def mount_of(hierarchy):
    if hierarchy != "v2":
        return os.path.join(CGROUP, hierarchy)
    only_v2 = os.path.exists(os.path.join(CGROUP, "cgroup.controllers"))
    return CGROUP if only_v2 else os.path.join(CGROUP, "unified")


def missing(hierarchy):
    """Why the kernel's hierarchy cannot be used here, or None."""
    mount = mount_of(hierarchy)
    if hierarchy == "v2" and not os.path.exists(mount):
        return f"{mount}: not there"
    if hierarchy == "v2" and not os.path.exists("/proc/self/wchan"):
        return "this kernel does not say where tasks sleep (CONFIG_KALLSYMS)"
    try:
        probe = os.path.join(mount, f"warren-probe-{os.getpid()}")
        os.mkdir(probe)
        files = os.listdir(probe)
        os.rmdir(probe)
    except OSError as error:
        return f"{mount}: {error.strerror}"
    wanted = {"v2": "cgroup.freeze", "cpu": "cpu.shares", "cpuacct": "cpuacct.usage",
              "memory": "memory.limit_in_bytes", "pids": "pids.max", "freezer": "freezer.state",
              "cpuset": "cpuset.cpus", "devices": "devices.list"}[hierarchy]
    return None if wanted in files else f"{mount}: no {wanted} there"
