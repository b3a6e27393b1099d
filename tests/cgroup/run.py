#!/usr/bin/env python3
"""Takes the same steps on the kernel's cgroups and on warren's groups, and compares what each says.

The kernel is the oracle: there are no expected texts. Scripts of steps stand in scripts.py. Needs
root and the kernel's hierarchies: /sys/fs/cgroup/NAME for v1 controllers, and for v2 .../unified, or
/sys/fs/cgroup itself. What is not there is skipped, aloud.
"""

import argparse
import os
import sys

from scripts import SCRIPTS
from worlds import Kernels, Ours, missing

SKIPPED = 77
STEPS = ("mkdir", "rmdir", "rename", "read", "write", "spawn", "fork", "thread", "end_thread", "exit",
         "reap", "move", "await_text", "await_dead")


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
    parser.add_argument("--driver", required=True, help="the groups_driver program")
    parser.add_argument("--show", type=int, default=5, help="differences to print for a script")
    parser.add_argument("scripts", nargs="*", help="names of scripts; all by default")
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("cgroup: skipped: the kernel's cgroups are root's")
        return SKIPPED
    ran, failed = 0, 0
    for name, hierarchies, function in SCRIPTS:
        if args.scripts and name not in args.scripts:
            continue
        why = next(filter(None, map(missing, hierarchies)), None)
        if why:
            print(f"skip {name}: {why}")
            continue
        kernel = record(Kernels(hierarchies), function)
        ours = record(Ours(args.driver, hierarchies), function)
        ran += 1
        failed += not compare(name, kernel, ours, args.show)
    if ran == 0:
        print("cgroup: skipped: the kernel has none of these hierarchies here")
        return SKIPPED
    print(f"{ran} scripts, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
