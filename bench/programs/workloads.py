"""The workloads: each is a command that prints one figure, and the unit of that figure."""

import os
import pathlib

C_PROGRAMS = ["getuid", "getpid", "stat", "open_close", "kill_self", "ping_pong", "thread_join",
              "fork_wait", "exec_wait", "timed", "crowd"]


class Workload:
    """A row of the table. `command` is relative to the staging directory; `unit` is us or s.
    What stands in `outside` runs in front of the column's own command instead of behind it."""

    def __init__(self, name, what, unit, command, outside=()):
        self.name = name
        self.what = what
        self.unit = unit
        self.command = command
        self.outside = list(outside)

    def under(self, prefix):
        """The whole command that runs this workload in the column with that prefix."""
        return self.outside + prefix + self.command


def all_workloads(quick):
    """Every row. `quick` makes each shorter, for a look rather than a measurement."""
    seconds = "0.1" if quick else "0.5"
    loops = 100 if quick else 500
    bytes_copied = 50_000 if quick else 500_000
    tree = "/usr/lib" if quick else "/usr"

    def loop(name, what, program=None):
        return Workload(name, what, "us", [f"./{program or name}", seconds])

    def timed(name, what, *command):
        return Workload(name, what, "s", ["./timed", *command])

    def crowd(count):
        return Workload(f"fork_{count}", f"the same beside {count:,} sleeping guests",
                        "us", ["./crowd", str(count), "./fork_wait", seconds])

    return [
        loop("getuid", "a call without pid or path"),
        loop("getpid", "getpid"),
        loop("stat", "stat of a file"),
        loop("open_close", "open + close of a file"),
        loop("kill_self", "kill self, with a handler"),
        loop("ping_pong", "pipe ping-pong between two processes"),
        loop("thread_join", "pthread create + join"),
        loop("fork_wait", "fork + exit + wait"),
        crowd(10),
        crowd(1000),
        loop("exec_wait", "fork + exec + wait"),
        timed("bash_loop", f"bash -c, {loops} times /bin/true", "bash", "-c",
              f"for ((i = 0; i < {loops}; i++)); do /bin/true; done"),
        timed("make", "make -j2 of a C project of 50 files", "make", "-s", "-B", "-j2", "-C",
              "project"),
        # A directory that only root may read makes find end with 1, in every column alike.
        timed("find", f"find {tree}", "sh", "-c", f"find {tree} -xdev 2>/dev/null; true"),
        # Natively ps sees the whole host; 50 processes of our own make the namespaces comparable.
        Workload("ps", "ps -ef, 10 times, beside 50 processes", "s",
                 ["./crowd", "50", "./timed", "sh", "-c",
                  "for i in 1 2 3 4 5 6 7 8 9 10; do ps -ef; done"]),
        timed("dd", f"dd, {bytes_copied:,} blocks of one byte", "dd", "if=/dev/zero",
              "of=/dev/null", "bs=1", f"count={bytes_copied}", "status=none"),
        Workload("start", "start it all, run /bin/true, end it all", "s", ["/bin/true"],
                 outside=["./timed"]),
    ]


def write_c_project(directory, files=50):
    """Writes a C project of `files` sources, a header and a Makefile into `directory`: the shape
    of an ordinary small build, one compiler process per source and a link."""
    root = pathlib.Path(directory)
    root.mkdir()
    names = [f"part{i:02d}" for i in range(files)]
    declarations = "".join(f"int {name}(int x);\n" for name in names)
    (root / "parts.h").write_text(f"#pragma once\n#include <stdio.h>\n{declarations}")
    for i, name in enumerate(names):
        following = names[(i + 1) % files]
        (root / f"{name}.c").write_text(
            '#include "parts.h"\n'
            f"int {name}(int x) {{ return x <= 0 ? {i} : {following}(x - 1) + {i}; }}\n")
    calls = " + ".join(f"{name}(3)" for name in names)
    (root / "main.c").write_text(
        f'#include "parts.h"\nint main(void) {{ printf("%d\\n", {calls}); return 0; }}\n')
    objects = " ".join(f"{name}.o" for name in ["main"] + names)
    (root / "Makefile").write_text(
        "CC = cc\nCFLAGS = -O1\n"
        f"program: {objects}\n\t$(CC) -o $@ $^\n"
        "%.o: %.c parts.h\n\t$(CC) $(CFLAGS) -c -o $@ $<\n")


def compile_programs(source, directory):
    """Returns the compiler commands that put every C program of `source` into `directory`."""
    compiler = os.environ.get("CC", "cc")
    return [[compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-pthread", "-o",
             os.path.join(directory, name), os.path.join(source, f"{name}.c")]
            for name in C_PROGRAMS]
