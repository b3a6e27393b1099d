#!/usr/bin/python3
"""Compares warren with native, the kernel's own PID namespaces, proot and strace.

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
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import columns as columns_module  # noqa: E402
import plot  # noqa: E402
import workloads as workloads_module  # noqa: E402

SOURCE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(SOURCE))
TIMEOUT = 300  # seconds for one run of one workload; the slowest takes about ten


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/programs/run.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warren", metavar="PATH",
                        default=os.path.join(ROOT, "build/release/src/cli/warren"),
                        help="the warren binary (default: the release build)")
    parser.add_argument("--rounds", type=int, default=None, metavar="N",
                        help="rounds of the interleaved run (default 7; 3 with --quick)")
    parser.add_argument("--quick", action="store_true", help="shorter workloads, fewer rounds")
    parser.add_argument("--only", metavar="NAME[,NAME...]",
                        help="only these workloads (see --list); a part of the name is enough")
    parser.add_argument("--columns", metavar="NAME[,NAME...]",
                        help="only these columns besides native")
    parser.add_argument("--json", metavar="FILE", help="write every sample to FILE")
    parser.add_argument("--svg", metavar="FILE", help="write the plot to FILE")
    parser.add_argument("--list", action="store_true", help="name the workloads and columns")
    arguments = parser.parse_args()
    if arguments.rounds is None:
        arguments.rounds = 3 if arguments.quick else 7
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def choose(everything, wanted, kind, exact):
    """The members of `everything` that the comma-separated `wanted` names; all when it is None."""
    if wanted is None:
        return everything
    chosen = []
    for name in filter(None, wanted.split(",")):
        found = [x for x in everything if x.name == name]
        if not found and not exact:
            found = [x for x in everything if name in x.name]
        if not found:
            sys.exit(f"bench: no {kind} is called {name!r}; there are: "
                     + " ".join(x.name for x in everything))
        chosen += found
    return [x for x in everything if x in chosen]


@contextlib.contextmanager
def staging(warren):
    """A directory that an ordinary user can reach, with the programs, the C project and a copy of
    warren in it; gives (directory, launcher, path of warren)."""
    with tempfile.TemporaryDirectory(prefix="warren-bench-") as directory:
        os.chmod(directory, 0o755)
        for command in workloads_module.compile_programs(SOURCE, directory):
            subprocess.run(command, check=True)
        workloads_module.write_c_project(os.path.join(directory, "project"))
        staged = os.path.join(directory, "warren")
        if os.path.exists(warren):
            shutil.copy(warren, staged)
        launcher, uid, gid = columns_module.user_launcher(directory)
        if launcher:
            for path, _, names in os.walk(directory):
                os.chown(path, uid, gid)
                for name in names:
                    os.chown(os.path.join(path, name), uid, gid)
        yield directory, launcher, staged


class Failed(Exception):
    """One run of one workload did not give a figure."""


def run_once(command, cwd):
    """Runs `command` in a session of its own and returns the figure that it prints."""
    environment = dict(os.environ, LC_ALL="C", CCACHE_DISABLE="1")
    environment.pop("MAKEFLAGS", None)
    environment.pop("MAKELEVEL", None)
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment,
                               start_new_session=True)
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Failed(f"not finished after {TIMEOUT} s") from None
    if process.returncode != 0:
        said = err.strip().splitlines()
        raise Failed(f"ended with {process.returncode}" + (f": {said[-1]}" if said else ""))
    try:
        return float(out.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failed(f"printed no figure but {out[-80:]!r}") from None


def measure(rows, columns, launcher, cwd, rounds):
    """Returns ({row: {column: [samples]}}, {(row, column): why it failed}). A pair that failed
    once is not run again."""
    samples = {row.name: {column.name: [] for column in columns} for row in rows}
    failures = {}
    for row in rows:
        # Fills the page cache and the directory cache, so that the first column does not pay.
        progress(f"warming up: {row.name}")
        with contextlib.suppress(Failed):
            run_once(launcher + row.command, cwd)
    for number in range(rounds):
        for row in rows:
            for column in columns:
                if (row.name, column.name) in failures:
                    continue
                progress(f"round {number + 1}/{rounds}: {row.name}, {column.name}")
                try:
                    figure = run_once(launcher + row.under(column.prefix), cwd)
                    samples[row.name][column.name].append(figure)
                except Failed as failure:
                    failures[row.name, column.name] = str(failure)
                    samples[row.name][column.name] = []
    progress("")
    return samples, failures


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K" + text)
        sys.stderr.flush()


def medians_of(samples):
    return {row: {column: statistics.median(s) for column, s in by_column.items() if s}
            for row, by_column in samples.items()}


def figure_text(value, unit):
    """A figure with its unit, in three digits or so."""
    if unit == "s" and value < 0.1:
        value, unit = value * 1000, "ms"
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def print_table(rows, columns, medians, failures):
    """The median of each pair and, in brackets, its ratio to native."""
    label_width = max(len(row.what) for row in rows) + 2
    print("".ljust(label_width) + "".join(column.name.rjust(19) for column in columns))
    for row in rows:
        line, native = row.what.ljust(label_width), medians[row.name].get("native")
        for column in columns:
            value = medians[row.name].get(column.name)
            if value is None:
                cell = "failed" if (row.name, column.name) in failures else "-"
            elif column.name == "native" or not native:
                cell = figure_text(value, row.unit)
            else:
                cell = f"{figure_text(value, row.unit)} ({value / native:.2f}x)"
            line += cell.rjust(19)
        print(line)
    for column in columns:
        few, many = (medians.get(name, {}).get(column.name) for name in ("fork_10", "fork_1000"))
        if few and many:
            print(f"fork beside 1,000 guests / beside 10, {column.name}: {many / few:.2f}x")


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


def write_results(arguments, host, rows, columns, samples, medians, failures, skipped):
    """The JSON file and the plot, where they were asked for."""
    if arguments.json:
        document = {"machine": host, "rounds": arguments.rounds, "quick": arguments.quick,
                    "columns": {c.name: c.what for c in columns}, "skipped": skipped,
                    "workloads": [
                        {"name": row.name, "what": row.what, "unit": row.unit,
                         "samples": samples[row.name], "medians": medians[row.name],
                         "failures": {c: why for (r, c), why in failures.items()
                                      if r == row.name}} for row in rows]}
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
    if arguments.svg:
        ratios = [(row.what, {c: v / medians[row.name]["native"]
                              for c, v in medians[row.name].items() if c != "native"})
                  for row in rows if medians[row.name].get("native")]
        subtitle = (f"{host['cpu']}, {host['cpus']} CPUs, Linux {host['kernel']}, "
                    f"{arguments.rounds} interleaved rounds, medians, {host['date']}")
        with open(arguments.svg, "w", encoding="utf-8") as file:
            file.write(plot.draw(ratios, [c.name for c in columns[1:]],
                                 "What a PID namespace costs", subtitle))


def main():
    arguments = parse_arguments()
    rows = choose(workloads_module.all_workloads(arguments.quick), arguments.only, "workload",
                  exact=False)
    if arguments.list:
        for item in rows + columns_module.all_columns("warren"):
            print(f"{item.name:12} {item.what}")
        return 0
    with staging(arguments.warren) as (directory, launcher, warren):
        everything = columns_module.all_columns(warren)
        columns, skipped = everything[:1], {}
        for column in choose(everything[1:], arguments.columns, "column", exact=True):
            if column.name == "warren" and not os.path.exists(warren):
                why = f"{arguments.warren} is not built"
            else:
                why = column.missing(launcher, directory)
            if why:
                skipped[column.name] = why
                print(f"bench: column {column.name} is left out: {why}", file=sys.stderr)
            else:
                columns.append(column)
        host = machine()
        print(f"{host['cpu']}, {host['cpus']} CPUs, Linux {host['kernel']}, load "
              f"{host['load']:.1f}; {arguments.rounds} interleaved rounds, medians\n", flush=True)
        samples, failures = measure(rows, columns, launcher, directory, arguments.rounds)
    medians = medians_of(samples)
    print_table(rows, columns, medians, failures)
    for (row, column), why in failures.items():
        print(f"bench: {row} under {column} failed: {why}", file=sys.stderr)
    write_results(arguments, host, rows, columns, samples, medians, failures, skipped)
    # What goes wrong in someone else's tool is shown, but only warren and native must succeed.
    return 1 if any(column in ("native", "warren") for _, column in failures) else 0


if __name__ == "__main__":
    sys.exit(main())
