"""Runs the rows in the columns, round after round."""

import os
import signal
import statistics
import subprocess
import sys

TIMEOUT = 300  # seconds for one run of one workload; the slowest takes about a minute
# Of a pair of row and column that takes so long, and that many times longer than native, few rounds
# show how far from native it is.
SLOW_SECONDS, SLOW_RATIO, SLOW_ROUNDS = 5.0, 2.0, 3


class Failed(Exception):
    """One run of one workload did not give a figure."""


def environment():
    """The environment of everything that is measured."""
    result = dict(os.environ, LC_ALL="C", CCACHE_DISABLE="1")
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        result.pop(name, None)
    return result


def last_line(text):
    """The last line of what a program said, or nothing."""
    return (text.strip().splitlines() or [""])[-1]


def complaint(text):
    """The end of what a program said on stderr, in one line."""
    return "; ".join(text.strip().splitlines()[-3:])


def run_once(command, cwd):
    """Runs `command` in a session of its own and returns the figure that it prints."""
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment(),
                               start_new_session=True)
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Failed(f"not finished after {TIMEOUT} s") from None
    if process.returncode != 0:
        raise Failed(f"ended with {process.returncode}: {complaint(err)}".rstrip(": "))
    try:
        return float(last_line(out))
    except ValueError:
        raise Failed(f"printed no figure but {out[-80:]!r}") from None


def _progress(text):
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K" + text)
        sys.stderr.flush()


def _enough(row, samples, native):
    """Whether a pair that has these samples needs no more; `native` are the row's native ones."""
    if row.most_rounds and len(samples) >= row.most_rounds:
        return True
    if row.unit != "s" or len(samples) < SLOW_ROUNDS or not native:
        return False
    median = statistics.median(samples)
    return (median * row.repeats > SLOW_SECONDS
            and median > SLOW_RATIO * statistics.median(native))


def measure(rows, columns, launcher, cwd, rounds):
    """Returns ({row: {column: [samples]}}, {(row, column): why it failed}). A pair that failed
    once is not run again. Each round begins with another column, so that none is always the one
    that runs after a certain other."""
    samples = {row.name: {column.name: [] for column in columns} for row in rows}
    failures = {}
    for row in rows:
        # Fills the page cache and the directory cache, so that the first column does not pay.
        _progress(f"warming up: {row.name}")
        row.warm_up(launcher, cwd)
    for number in range(rounds):
        first = number % len(columns)
        for row in rows:
            native = samples[row.name]["native"]
            for column in columns[first:] + columns[:first]:
                mine = samples[row.name][column.name]
                if (row.name, column.name) in failures or _enough(row, mine, native):
                    continue
                _progress(f"round {number + 1}/{rounds}: {row.name}, {column.name}")
                try:
                    mine.append(row.sample(column, launcher, cwd))
                except Failed as failure:
                    failures[row.name, column.name] = str(failure)
                    mine.clear()
    _progress("")
    return samples, failures
