#!/usr/bin/env python3
"""Takes the same steps on the kernel's cgroups and on warren's groups, and compares what each says.

warren's groups are, first, those of the library with make-believe tasks; with --warren also those of
a container, mounted by a guest, with real processes.

The kernel is the oracle: there are no expected texts. Scripts of steps stand in scripts.py. Needs
root and the kernel's hierarchies: /sys/fs/cgroup/NAME for v1 controllers, and for v2 .../unified, or
/sys/fs/cgroup itself. What is not there is skipped, aloud.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from scripts import SCRIPTS
from worlds import Kernel, Mounted, Ours, missing, mount_of

SKIPPED = 77
STEPS = ("mkdir", "rmdir", "rename", "read", "write", "spawn", "fork", "thread", "end_thread", "exit",
         "reap", "move", "await_frozen", "await_dead")


class Recorder:
    """A world whose steps and answers are written down."""

    def __init__(self, world):
        self.world = world
        self.lines = []

    def __getattr__(self, name):
        if name not in STEPS:
            raise AttributeError(name)
        step = getattr(self.world, name)

        def run(*args):
            answer = step(*args)
            self.lines.append(f"{name}{args!r} -> {answer!r}")
            return answer
        return run


def record(world, function):
    recorder = Recorder(world)
    try:
        function(recorder)
    except (KeyError, RuntimeError) as error:
        recorder.lines.append(f"{type(error).__name__}: {error}")
    finally:
        world.close()
    return recorder.lines


def record_in_guest(warren, name, hierarchies):
    """What a guest records, who runs this program with --inside."""
    with tempfile.TemporaryDirectory(prefix="warren-cgroup-") as directory:
        mounts = [os.path.join(directory, hierarchy) for hierarchy in hierarchies]
        for mount in mounts:
            os.mkdir(mount)
        command = [warren, "run", "--", sys.executable, __file__, "--inside", directory, name]
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=300, check=False, text=True)
        if done.returncode != 0:
            for mount in mounts:  # of a supervisor that died; as a rule there is nothing to do
                subprocess.run(["umount", "--lazy", "--quiet", mount], check=False)
            return [f"the guest ended with {done.returncode}"]
    return json.loads(done.stdout)


def inside(directory, name):
    """As a guest: mounts what the script needs, and prints what it records."""
    _, hierarchies, function = next(script for script in SCRIPTS if script[0] == name)
    mounts = {hierarchy: os.path.join(directory, hierarchy) for hierarchy in hierarchies}
    for hierarchy, mount in mounts.items():
        kind = ["cgroup2"] if hierarchy == "v2" else ["cgroup", "-o", hierarchy]
        subprocess.run(["mount", "-t", *kind, "none", mount], check=True)
    lines = record(Mounted(mounts), function)
    for mount in mounts.values():
        subprocess.run(["umount", mount], check=True)
    print(json.dumps(lines))
    return 0


def compare(name, kernel, ours, show):
    """Whether both said the same; prints the first differences."""
    differences = [(n, a, b) for n, (a, b) in enumerate(zip(kernel, ours)) if a != b]
    if not differences and len(kernel) == len(ours):
        print(f"ok   {name}: {len(kernel)} steps")
        return True
    print(f"FAIL {name}: {len(differences)} of {len(kernel)} steps differ")
    for n, a, b in differences[:show]:
        for line in kernel[max(0, n - 3):n]:
            print(f"       {line}")
        print(f"     kernel: {a}\n     warren: {b}")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--driver", help="the groups_driver program")
    parser.add_argument("--warren", help="the warren program: guests take the steps, too")
    parser.add_argument("--inside", metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--show", type=int, default=5, help="differences to print for a script")
    parser.add_argument("scripts", nargs="*", help="names of scripts; all by default")
    args = parser.parse_args()
    if args.inside:
        return inside(args.inside, args.scripts[0])
    if os.geteuid() != 0:
        print("cgroup: skipped: the kernel's cgroups are root's")
        return SKIPPED
    if args.warren and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        print("skip guests: no /dev/fuse to mount warren's groups with")
        args.warren = None
    ran, failed = 0, 0
    for name, hierarchies, function in SCRIPTS:
        if args.scripts and name not in args.scripts:
            continue
        why = next(filter(None, map(missing, hierarchies)), None)
        if why:
            print(f"skip {name}: {why}")
            continue
        kernel = record(Kernel({each: mount_of(each) for each in hierarchies}), function)
        if args.driver:
            ran += 1
            ours = record(Ours(args.driver, hierarchies), function)
            failed += not compare(name, kernel, ours, args.show)
        if args.warren:
            ran += 1
            ours = record_in_guest(args.warren, name, hierarchies)
            failed += not compare(f"{name}, in a guest", kernel, ours, args.show)
    if ran == 0:
        print("cgroup: skipped: nothing to compare here")
        return SKIPPED
    print(f"{ran} runs, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
