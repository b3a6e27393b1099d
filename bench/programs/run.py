#!/usr/bin/python3
"""Compares warren with native, the kernel's own PID namespaces, and other programs that stand
between a program and the kernel.

Each workload runs once in every column, then again in every column, and so on (A B C A B C ...),
so that a machine that gets busy or slow is so for all columns. The figure is the median over the
rounds. Everything that is measured runs as an ordinary user; root is dropped first.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import sys

sys.dont_write_bytecode = True
# The modules are beside this file, wherever it is run from.
import columns as columns_module  # noqa: E402
import plot  # noqa: E402
import table  # noqa: E402
import workloads  # noqa: E402
from figures import Figures  # noqa: E402
from measure import measure  # noqa: E402
from scratch import scratch  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def regex(text):
    """A regular expression from the command line."""
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a regular expression: {error}") from None


def output(path):
    """The name of a file to write; one that cannot be written is to be known before half an hour
    of measuring, not after it."""
    try:
        with open(path, "a", encoding="utf-8"):
            return path
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path!r}: {error.strerror}") from None


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/programs/run.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warren", metavar="PATH",
                        default=os.path.join(ROOT, "build/release/src/cli/warren"),
                        help="the warren binary (default: the release build)")
    parser.add_argument("--rounds", type=int, default=None, metavar="N",
                        help="rounds of the interleaved run (default 7; 3 with --quick)")
    parser.add_argument("--quick", action="store_true", help="shorter workloads, fewer rounds")
    parser.add_argument("--rows", metavar="REGEX", type=regex,
                        help="only the rows in whose name (see --list) REGEX is found")
    parser.add_argument("--columns", metavar="REGEX", type=regex,
                        help="besides native only the columns in whose name REGEX is found")
    parser.add_argument("--json", metavar="FILE", type=output, help="write every sample to FILE")
    parser.add_argument("--svg", metavar="FILE", type=output, help="write the plot to FILE")
    parser.add_argument("--list", action="store_true", help="name the rows and columns")
    arguments = parser.parse_args()
    if arguments.rounds is None:
        arguments.rounds = 3 if arguments.quick else 7
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def matching(everything, wanted, kind):
    """The members of `everything` in whose name the regex `wanted` is found; all when it is
    None."""
    found = [x for x in everything if wanted is None or wanted.search(x.name)]
    if not found:
        sys.exit(f"bench: no {kind} matches {wanted.pattern!r}; there are: "
                 + " ".join(x.name for x in everything))
    return found


def machine():
    """What the figures were measured on."""
    model = platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "load": os.getloadavg()[0],
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")}


def describe(host, rounds):
    """The machine and the method, in one line."""
    return (f"{host['cpu']}, {host['cpus']} CPUs, Linux {host['kernel']}, {rounds} interleaved "
            f"rounds, medians, {host['date']}")


def write_json(path, arguments, host, rows, columns, samples, figures, failures, skipped):
    """Every sample, and what was made of them."""
    document = {"machine": host, "rounds": arguments.rounds, "quick": arguments.quick,
                "columns": {c.name: c.what for c in columns}, "skipped": skipped,
                "workloads": [
                    {"name": row.name, "what": row.what, "unit": row.unit,
                     "samples": samples[row.name], "medians": figures.medians(row.name),
                     "aim": row.aim and row.aim.text,
                     "aim_met": table.verdict(row, columns, figures),
                     "failures": {c: why for (r, c), why in failures.items()
                                  if r == row.name}} for row in rows]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def leave_out(skipped, kind):
    for name, why in skipped.items():
        print(f"bench: {kind} {name} is left out: {why}", file=sys.stderr)


def main():
    arguments = parse_arguments()
    rows = matching(workloads.all_workloads(arguments.quick), arguments.rows, "row")
    if arguments.list:
        for item in rows + columns_module.all_columns(arguments.warren):
            print(f"{item.name:18} {item.what}")
        return 0
    with scratch(arguments.warren) as (directory, launcher, warren):
        everything = columns_module.all_columns(warren)
        wanted = matching(everything, arguments.columns, "column")
        columns, skipped = columns_module.available(
            [c for c in everything if c is everything[0] or c in wanted], launcher, directory)
        leave_out(skipped, "column")
        absent = {row.name: why for row in rows if (why := row.missing(directory))}
        leave_out(absent, "row")
        rows = [row for row in rows if row.name not in absent]
        host = machine()
        print(describe(host, arguments.rounds) + f"; load {host['load']:.1f}\n", flush=True)
        if host["load"] > 0.5:
            print("bench: the machine is busy with other things: the figures will be noisy",
                  file=sys.stderr)
        samples, failures = measure(rows, columns, launcher, directory, arguments.rounds)
    figures = Figures(rows, samples)
    print("\n".join(table.table(rows, columns, figures, failures)))
    print("\n" + table.summary(rows, columns, figures))
    for (row, column), why in failures.items():
        print(f"bench: {row} under {column} failed: {why}", file=sys.stderr)
    if arguments.json:
        write_json(arguments.json, arguments, host, rows, columns, samples, figures, failures,
                   {**skipped, **absent})
    if arguments.svg:
        with open(arguments.svg, "w", encoding="utf-8") as file:
            file.write(plot.draw(rows, columns, figures, "What a PID namespace costs",
                                 describe(host, arguments.rounds)))
    # What goes wrong in someone else's tool is shown, but only warren and native must succeed.
    required = [column.name for column in columns if column.ours or not column.prefix]
    return 1 if any(column in required for _, column in failures) else 0


if __name__ == "__main__":
    sys.exit(main())
