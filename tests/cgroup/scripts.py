"""The steps that are taken in both worlds. Each script names the hierarchies it needs."""

import random

SCRIPTS = []


def script(*hierarchies):
    def add(function):
        SCRIPTS.append((function.__name__, hierarchies, function))
        return function
    return add


NUMBERS = ["0", "1", "5", "max", "MAX", "", " 7 ", "+3", "-1", "-0", "0x10", "010", "08", "1 2", "1k",
           "x", "4194303", "4194304", "4194305", "9223372036854775807", "9223372036854775808",
           "99999999999999999999", "-99999999999999999999", "0xffffffffffffffff", "2\n3"]


# --- pids ---

@script("pids")
def pids_texts(w):
    w.mkdir("pids", "a")
    for file in ("pids.max", "pids.current", "pids.peak", "pids.events"):
        w.read("pids", "a", file)
    for text in NUMBERS:
        w.write("pids", "a", "pids.max", text)
        w.read("pids", "a", "pids.max")


@script("pids")
def pids_limits(w):
    for path in ("a", "a/b", "a/b/c"):
        w.mkdir("pids", path)
    w.spawn("p")
    w.move("pids", "a/b/c", "p")
    show = lambda: [w.read("pids", path, file) for path in ("a", "a/b", "a/b/c")
                    for file in ("pids.current", "pids.peak", "pids.events")]
    show()
    w.write("pids", "a", "pids.max", "3")
    w.fork("p", "q")
    w.thread("q", "q1")
    w.fork("p", "r")
    w.thread("p", "p1")
    show()
    w.write("pids", "a", "pids.max", "max")
    w.write("pids", "a/b", "pids.max", "2")
    w.fork("p", "r")
    w.end_thread("q", "q1")
    w.fork("p", "r")
    show()
    w.exit("q")
    show()
    w.fork("p", "r")
    w.reap("q")
    show()
    w.fork("p", "r")
    show()
    # Moves are never refused.
    w.mkdir("pids", "full")
    w.write("pids", "full", "pids.max", "0")
    w.move("pids", "full", "p")
    w.read("pids", "full", "pids.current")
    w.fork("p", "s")
    w.thread("p", "p2")
    w.read("pids", "full", "pids.events")
    show()
    w.exit("p")
    w.rmdir("pids", "a/b/c")
    w.exit("r")
    w.read("pids", "full", "pids.current")
    w.rmdir("pids", "a/b/c")
    w.reap("r")
    w.reap("p")
    show()


@script("pids")
def pids_random(w):
    for seed in range(12):
        random_life(w, "pids", random.Random(seed), f"s{seed}",
                    lambda r: ("pids.max", str(r.randrange(8)) if r.randrange(3) else "max"),
                    ("pids.current", "pids.peak", "pids.events", "pids.max", "tasks",
                     "cgroup.procs"))


def random_life(w, hierarchy, r, prefix, setting, files, frozen=None):
    """Groups and tasks come, move and go; after each step all is read. What lives at the end is
    ended. `setting(r)`: a file and what to write into it. `frozen`: knows who obeys nobody."""
    groups, where, zombies, made = [""], {}, {}, 0
    w.mkdir(hierarchy, prefix)
    path = lambda group: (prefix + "/" + group).rstrip("/")
    able = lambda: sorted(t for t in where if not (frozen and frozen.is_frozen(path(where[t]))))
    w.spawn(f"{prefix}t0")
    w.move(hierarchy, path(""), f"{prefix}t0")
    where[f"{prefix}t0"] = ""
    for _ in range(60):
        choice = r.randrange(8)
        if choice == 0 and len(groups) < 6:
            group = (r.choice(groups) + f"/g{made}").lstrip("/")
            made += 1
            if w.mkdir(hierarchy, path(group)) == "ok":
                groups.append(group)
        elif choice == 1 and len(groups) > 1:
            group = r.choice(groups[1:])
            if w.rmdir(hierarchy, path(group)) == "ok":
                groups.remove(group)
        elif choice in (2, 3) and able() and len(where) < 8:
            parent, name = r.choice(able()), f"{prefix}t{made + 1}"
            made += 2
            if w.fork(parent, name) == "ok":
                where[name] = where[parent]
        elif choice == 4 and where:
            task, group = r.choice(sorted(where)), r.choice(groups)
            if w.move(hierarchy, path(group), task) == "ok":
                where[task] = group
        elif choice == 5 and len(able()) > 1:
            task = r.choice(able())
            w.exit(task)
            zombies[task] = where.pop(task)
        elif choice == 6 and zombies and not frozen:
            task = r.choice(sorted(zombies))
            w.reap(task)
            del zombies[task]
        else:
            group = r.choice(groups)
            w.write(hierarchy, path(group), *setting(r))
        if frozen:
            frozen.await_all([path(group) for group in groups])
        for group in groups:
            for file in files:
                w.read(hierarchy, path(group), file)
    for group in groups if frozen else ():
        w.write(hierarchy, path(group), *frozen.off)
    for task in sorted(where):
        w.exit(task)
    for task in sorted([*where, *zombies]):
        w.reap(task)
    for group in reversed(groups):
        w.rmdir(hierarchy, path(group))


# --- freezer ---

FREEZER_V1 = ("freezer.state", "freezer.self_freezing", "freezer.parent_freezing")


@script("freezer")
def freezer_v1_texts(w):
    w.mkdir("freezer", "a")
    for text in ("FROZEN", "THAWED", "FREEZING", "frozen", "1", "", " FROZEN ", "THAWED x"):
        w.write("freezer", "a", "freezer.state", text)
        for file in FREEZER_V1:
            w.read("freezer", "a", file)


@script("freezer")
def freezer_v1_nested(w):
    for path in ("a", "a/b", "a/c", "d"):
        w.mkdir("freezer", path)
    show = lambda: [w.read("freezer", path, file) for path in ("a", "a/b", "a/c", "d")
                    for file in FREEZER_V1]
    w.spawn("p")
    w.spawn("q")
    w.thread("q", "q1")
    w.move("freezer", "a/b", "p")
    w.move("freezer", "a", "q")
    w.write("freezer", "a/b", "freezer.state", "FROZEN")
    w.await_frozen("freezer", "a/b")
    show()
    w.write("freezer", "a", "freezer.state", "FROZEN")
    w.await_frozen("freezer", "a")
    show()
    w.write("freezer", "a/b", "freezer.state", "THAWED")
    show()
    w.mkdir("freezer", "a/c/e")
    w.read("freezer", "a/c/e", "freezer.state")
    w.move("freezer", "d", "p")
    w.read("freezer", "d", "tasks")
    w.fork("p", "r")
    w.move("freezer", "a/c/e", "r")
    w.await_frozen("freezer", "a")
    show()
    w.write("freezer", "a", "freezer.state", "THAWED")
    show()
    w.fork("q", "s")
    w.end_thread("q", "q1")
    for task in ("s", "q", "r", "p"):
        w.exit(task)
        w.reap(task)
    show()


class Frozen:
    """The switches of a tree: `switch` reads 0 or 1, `off` is what is written to turn one off."""

    def __init__(self, w, hierarchy, switch, off):
        self.w, self.hierarchy, self.switch, self.off = w, hierarchy, switch, off
        self.switched_on = set()

    def is_frozen(self, path):
        parts = path.split("/")
        return any("/".join(parts[:n + 1]) in self.switched_on for n in range(len(parts)))

    def await_all(self, paths):
        """Before all is read: those that are to be frozen have become so."""
        self.switched_on = {path for path in paths
                            if self.w.read(self.hierarchy, path, self.switch) == "1\n"}
        for path in filter(self.is_frozen, paths):
            self.w.await_frozen(self.hierarchy, path)


@script("freezer")
def freezer_v1_random(w):
    for seed in range(12):
        frozen = Frozen(w, "freezer", "freezer.self_freezing", ("freezer.state", "THAWED"))
        random_life(w, "freezer", random.Random(seed), f"s{seed}",
                    lambda r: ("freezer.state", r.choice(["FROZEN", "THAWED"])),
                    (*FREEZER_V1, "tasks"), frozen)


@script("v2")
def freezer_v2_texts(w):
    w.mkdir("v2", "a")
    for text in ["0", "1", "2", "-1", "", "x", "0x1", "+1", "01", "1 1", " 1 ", "0\n1", "99999999999",
                 "FROZEN", "0"]:
        w.write("v2", "a", "cgroup.freeze", text)
        w.read("v2", "a", "cgroup.freeze")
        w.read("v2", "a", "cgroup.events")


@script("v2")
def freezer_v2_nested(w):
    for path in ("a", "a/b", "a/c", "d"):
        w.mkdir("v2", path)
    show = lambda: [w.read("v2", path, file) for path in ("a", "a/b", "a/c", "d")
                    for file in ("cgroup.freeze", "cgroup.events")]
    w.spawn("p")
    w.spawn("q")
    w.thread("q", "q1")
    w.move("v2", "a/b", "p")
    w.move("v2", "a", "q")
    show()
    w.write("v2", "a/b", "cgroup.freeze", "1")
    w.await_frozen("v2", "a/b")
    show()
    w.write("v2", "a", "cgroup.freeze", "1")
    w.await_frozen("v2", "a")
    w.write("v2", "a/b", "cgroup.freeze", "0")
    show()
    w.mkdir("v2", "a/c/e")
    w.read("v2", "a/c/e", "cgroup.events")
    w.move("v2", "d", "p")
    w.fork("p", "r")
    w.move("v2", "a/c/e", "r")
    w.await_frozen("v2", "a")
    show()
    w.write("v2", "a", "cgroup.freeze", "0")
    show()
    w.fork("q", "s")
    for task in ("s", "q", "r", "p"):
        w.exit(task)
        w.reap(task)
    show()


@script("v2")
def freezer_v2_random(w):
    for seed in range(12):
        frozen = Frozen(w, "v2", "cgroup.freeze", ("cgroup.freeze", "0"))
        random_life(w, "v2", random.Random(seed), f"s{seed}",
                    lambda r: ("cgroup.freeze", r.choice(["1", "0"])),
                    ("cgroup.freeze", "cgroup.events", "cgroup.procs"), frozen)


# --- cpuset: what both semantics have in common; see docs/compat.md ---

@script("cpuset")
def cpuset_texts(w):
    w.mkdir("cpuset", "a")
    for text in ("0", "0-1", "0,1", "1,0", "0, 1", "0 1", "0-0", "0,0", "00", ",0", "0,", "", "all", "N",
                 "ALL", "0-1:1/2", "0-1:2/1", "0-1:1/0", "0-1:1", "1-0", "0-", "-1", "+1", "0x1", "x",
                 "99999", "0-99999", "4294967296", "99999999999999999999"):
        w.write("cpuset", "a", "cpuset.cpus", text)
        w.read("cpuset", "a", "cpuset.cpus")
    for text in ("0", "1", "63", "1024", "", "0,0", "x", "0-0", "0"):
        w.write("cpuset", "a", "cpuset.mems", text)
        w.read("cpuset", "a", "cpuset.mems")


@script("cpuset")
def cpuset_tasks(w):
    w.spawn("p")
    for path in ("a", "a/b"):
        w.mkdir("cpuset", path)
        w.write("cpuset", path, "cpuset.cpus", "all")
        w.write("cpuset", path, "cpuset.mems", "0")
    show = lambda: [w.read("cpuset", path, file) for path in ("a", "a/b")
                    for file in ("cpuset.cpus", "cpuset.effective_cpus", "cpuset.mems",
                                 "cpuset.effective_mems", "tasks")]
    show()
    w.move("cpuset", "a/b", "p")
    w.write("cpuset", "a/b", "cpuset.cpus", "N")
    show()
    w.write("cpuset", "a/b", "cpuset.cpus", "")
    w.write("cpuset", "a/b", "cpuset.mems", "")
    show()
    w.exit("p")
    w.reap("p")
    w.write("cpuset", "a/b", "cpuset.mems", "")
    w.write("cpuset", "a", "cgroup.clone_children", "1")
    w.mkdir("cpuset", "a/c")
    w.read("cpuset", "a/c", "cpuset.cpus")
    w.read("cpuset", "a/c", "cpuset.mems")
    w.read("cpuset", "a/c", "cgroup.clone_children")


# --- cpu, cpuacct, memory: what can be written ---

@script("cpu")
def cpu_texts(w):
    w.mkdir("cpu", "a")
    for file in ("cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us"):
        w.read("cpu", "a", file)
        for text in [t.strip() for t in NUMBERS] + ["2", "3", "999", "1000", "20000", "100000", "1000000", "1000001",
                               "262144", "262145", "-5", "0x400", "1000 100"]:
            w.write("cpu", "a", file, text)
            w.read("cpu", "a", file)
    w.mkdir("cpu", "a/b")
    for file in ("cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us"):
        w.read("cpu", "a/b", file)


@script("cpuacct")
def cpuacct_texts(w):
    w.mkdir("cpuacct", "a")
    for file in ("cpuacct.usage", "cpuacct.usage_user", "cpuacct.usage_sys", "cpuacct.stat"):
        w.read("cpuacct", "a", file)
    for text in [text.strip() for text in NUMBERS]:
        w.write("cpuacct", "a", "cpuacct.usage", text)
    w.spawn("p")
    w.mkdir("cpuacct", "a/b")
    w.rmdir("cpuacct", "a/b")
    w.exit("p")
    w.reap("p")


@script("memory")
def memory_texts(w):
    w.mkdir("memory", "a")
    # No number at all is 0 to the kernel, and one that is too large is cut off.
    for text in [text for text in NUMBERS if text and "9999999999" not in text] + ["4096", "4097", "8191", "1K", "1k", "4k", "1M", "1m", "1G", "2T", "1P", "7E",
                           "0x1000", "0x10E", "010000", "1GB", "1 K", "1.5G", "-2", "-1K"]:
        w.write("memory", "a", "memory.limit_in_bytes", text)
        w.read("memory", "a", "memory.limit_in_bytes")
    for file in ("memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt"):
        w.read("memory", "a", file)
    for file in ("memory.max_usage_in_bytes", "memory.failcnt"):
        for text in ("0", "1", "-1", "x"):
            w.write("memory", "a", file, text)
        w.read("memory", "a", file)


# --- devices ---

@script("devices")
def devices_texts(w):
    w.mkdir("devices", "a")
    for file in ("devices.deny", "devices.allow"):
        for text in ("a", "a *:* rwm", "all", "c 1:3 rwm", "c 1:5 r", "c 1:5 w", "c *:* m", "b *:7 rw",
                     "b 8:* r", "", "x", "c", "c1:3 r", "c 1", "c 1: r", "c :3 r", "c 1:3", "c 1:3 ",
                     "c 1:3 x", "c 1:3 rx", "c -1:3 r", "c 1:3 rwmr", "c 4294967295:0 r",
                     "c 4294967296:0 r", "c  1:3 r", "c 01:3 r", "C 1:3 r"):
            w.write("devices", "a", file, text)
            w.read("devices", "a", "devices.list")


@script("devices")
def devices_random(w):
    for seed in range(20):
        r = random.Random(seed)
        # None is removed before the end: for a while after, the kernel still counts it as a child.
        left = [f"s{seed}/a", f"s{seed}/a/b", f"s{seed}/c"]
        made = [f"s{seed}"]
        w.mkdir("devices", made[0])
        for _ in range(80):
            if left and r.randrange(20) == 0:
                made.append(left.pop(0))
                w.mkdir("devices", made[-1])
            text = "a" if r.randrange(5) == 0 else "{} {}:{} {}".format(
                r.choice("bc"), r.choice("12*"), r.choice("34*"),
                r.choice(["r", "w", "m", "rw", "rwm"]))
            w.write("devices", r.choice(made), r.choice(["devices.allow", "devices.deny"]), text)
            for path in made:
                w.read("devices", path, "devices.list")
        for path in sorted(made, reverse=True):
            w.rmdir("devices", path)


# --- What every group has ---

@script("pids")
def tasks_and_procs_v1(w):
    for path in ("a", "b"):
        w.mkdir("pids", path)
    w.spawn("p")
    w.thread("p", "p1")
    w.thread("p", "p2")
    show = lambda: [w.read("pids", path, file) for path in ("a", "b")
                    for file in ("tasks", "cgroup.procs")]
    show()
    w.move("pids", "a", "p")
    show()
    w.move("pids", "b", "p1", "tasks")
    show()
    w.move("pids", "b", "p2", "cgroup.procs")
    show()
    w.move("pids", "a", "p", "tasks")
    w.fork("p", "q")
    show()
    for text in ("", "x", "-1", "99999999", "1 2", "0x", "4294967297", "99999999999999999999"):
        for file in ("tasks", "cgroup.procs"):
            w.write("pids", "a", file, text)
    w.rmdir("pids", "a")
    w.exit("q")
    show()
    w.move("pids", "b", "q")
    w.exit("p")
    show()
    w.rmdir("pids", "a")
    w.rmdir("pids", "b")
    w.move("pids", "a", "p")
    w.reap("q")
    w.reap("p")


@script("v2")
def procs_v2(w):
    for path in ("a", "a/b"):
        w.mkdir("v2", path)
    w.spawn("p")
    w.thread("p", "p1")
    show = lambda: [w.read("v2", path, file) for path in ("a", "a/b")
                    for file in ("cgroup.procs", "cgroup.threads", "cgroup.events", "cgroup.freeze")]
    show()
    w.move("v2", "a/b", "p")
    show()
    w.move("v2", "a", "p1")
    show()
    for text in ("", "x", "-1", "99999999", "1 2", "99999999999999999999"):
        w.write("v2", "a", "cgroup.procs", text)
    w.rmdir("v2", "a")
    w.exit("p")
    show()
    w.rmdir("v2", "a")
    w.rmdir("v2", "a/b")
    w.rmdir("v2", "a")
    w.rmdir("v2", "a")
    w.reap("p")


@script("v2")
def kill_v2(w):
    for path in ("a", "a/b", "c"):
        w.mkdir("v2", path)
    for text in ("0", "2", "-1", "", "x", "1 1"):
        w.write("v2", "a", "cgroup.kill", text)
    w.write("v2", "a", "cgroup.kill", "1")
    for name, path in (("p", "a"), ("q", "a/b"), ("r", "a/b"), ("s", "c")):
        w.spawn(name)
        w.move("v2", path, name)
    w.fork("p", "t")
    w.thread("t", "t1")
    w.write("v2", "a/b", "cgroup.freeze", "1")
    w.await_frozen("v2", "a/b")
    w.write("v2", "a", "cgroup.kill", "1")
    w.await_dead(["p", "q", "r", "t"])
    for path in ("a", "a/b", "c"):
        for file in ("cgroup.procs", "cgroup.events"):
            w.read("v2", path, file)
    w.exit("s")
    for name in "tpqrs":
        w.reap(name)


@script("v2")
def limits_of_the_tree_v2(w):
    w.mkdir("v2", "a")
    for file in ("cgroup.max.depth", "cgroup.max.descendants"):
        w.read("v2", "a", file)
        for text in NUMBERS:
            w.write("v2", "a", file, text)
            w.read("v2", "a", file)
        w.write("v2", "a", file, "max")
    w.write("v2", "a", "cgroup.max.depth", "1")
    w.mkdir("v2", "a/b")
    w.mkdir("v2", "a/b/c")
    w.write("v2", "a", "cgroup.max.depth", "max")
    w.write("v2", "a", "cgroup.max.descendants", "2")
    w.mkdir("v2", "a/b/c")
    w.mkdir("v2", "a/b/c/d")
    w.write("v2", "a", "cgroup.max.descendants", "3")
    w.mkdir("v2", "a/b/c/d")
    w.mkdir("v2", "a/e")
    w.rmdir("v2", "a")
    w.mkdir("v2", "a/b")
    w.rmdir("v2", "nothing")
    w.mkdir("v2", "nothing/a")
    for text in ("", "x", "+nothing", "-nothing"):
        w.write("v2", "a", "cgroup.subtree_control", text)
    w.read("v2", "a", "cgroup.type")


@script("pids")
def directories_v1(w):
    for path in ("a", "b", "a/c"):
        w.mkdir("pids", path)
    w.mkdir("pids", "a")
    w.rename("pids", "a", "b")
    w.rename("pids", "a", "d")
    w.read("pids", "d/c", "pids.max")
    w.read("pids", "a", "pids.max")
    w.rmdir("pids", "d")
    w.mkdir("pids", "x" * 255)
    w.rmdir("pids", "x" * 255)
    w.mkdir("pids", "a\nb")
    for file in ("notify_on_release", "cgroup.clone_children"):
        w.read("pids", "b", file)
        for text in ("1", "0", "2", "", "x", "-1", "0x1", "99999999999999999999"):
            w.write("pids", "b", file, text)
            w.read("pids", "b", file)
    w.write("pids", "b", "notify_on_release", "1")
    w.mkdir("pids", "b/c")
    w.read("pids", "b/c", "notify_on_release")
