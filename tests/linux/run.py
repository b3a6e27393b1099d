#!/usr/bin/env python3
"""Runs the differential suite: each program in the kernel's own PID namespace, then under warren.

The two runs must give the same standard output and the same exit status. A program prints the
truth; there are no expected files, because the kernel is the oracle. Comments at the head of a
program's source steer this runner:

  // oracle: privileged    the kernel asks for privilege over the namespace here (clone3's set_tid,
                           unshare): natively run as the namespace's root; under warren as a user
  // oracle: expected      what warren refuses on purpose: compared with NAME.expected, not run natively
  // differs: REASON       warren's output is NAME.warren instead; the reason is printed
  // timeout: SECONDS      instead of --timeout

A hang is a failure; so is a process that outlives its run.
"""

import argparse
import concurrent.futures
import difflib
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MARK = "WARREN_TEST_MARK"


def ordinary_user(name):
    """The user that guests run as when the runner itself is root."""
    for candidate in [name] if name else ["tester", "nobody"]:
        try:
            return pwd.getpwnam(candidate)
        except KeyError:
            continue
    sys.exit(f"run.py: no such user: {name or 'tester, nobody'}")


class Machine:
    """How this machine starts a program natively, and under warren."""

    def __init__(self, args):
        self.root = os.geteuid() == 0
        self.user = ordinary_user(args.user) if self.root else None
        self.warren = args.warren
        self.home = tempfile.mkdtemp(prefix="warren-linux-")
        runtime = os.path.join(self.home, "run")
        os.mkdir(runtime, 0o700)
        if self.root:
            for path in (self.home, runtime):
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": self.home,
            "XDG_RUNTIME_DIR": runtime,
            "TMPDIR": self.home,
            "LC_ALL": "C.UTF-8",
            "WARREN_BACKEND": args.backend,
            "WARREN_WITHOUT": os.environ.get("WARREN_WITHOUT", ""),
            # Every guest gets its agent at once.
            "WARREN_AGENT_AFTER": os.environ.get("WARREN_AGENT_AFTER", "1"),
        }
        self.oracle_error = self.probe_oracle()

    def as_user(self):
        if not self.root:
            return []
        return ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}",
                "--clear-groups", "--inh-caps=-all"]

    def native_command(self, program, privileged):
        common = ["-p", "-f", "--mount-proc", "--kill-child"]
        if self.root:
            return ["unshare"] + common + ([] if privileged else self.as_user()) + [program]
        return ["unshare", "-Ur" if privileged else "-Uc"] + common + [program]

    def warren_command(self, program):
        return self.as_user() + [self.warren, "run", "--", program]

    def probe_oracle(self):
        """None, or why the kernel's own namespaces cannot be had here."""
        if not shutil.which("unshare"):
            return "util-linux unshare is not installed"
        for privileged in (False, True):
            probe = subprocess.run(self.native_command("/bin/true", privileged), env=self.environment,
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if probe.returncode != 0:
                return (probe.stderr.strip() or f"unshare ended with {probe.returncode}")
        return None

    def survivors(self, mark):
        """Processes that carry the mark of a run that has ended."""
        needle = f"{MARK}={mark}".encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                environment = pathlib.Path("/proc", pid, "environ").read_bytes()
                if needle in environment.split(b"\0"):
                    found.append(int(pid))
            except OSError:
                continue
        return found

    def run(self, command, timeout):
        """(standard output, status as a shell would say it, what went wrong or None)"""
        mark = uuid.uuid4().hex
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env={**self.environment, MARK: mark},
                                   cwd=self.home, start_new_session=True)
        trouble = None
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            trouble = f"no end within {timeout} s"
            for pid in {process.pid, *self.survivors(mark)}:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            out, err = process.communicate()
        left = self.survivors(mark)
        if left and not trouble:
            trouble = f"{len(left)} processes outlived the run"
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        status = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return Result(out.decode(errors="replace"), err.decode(errors="replace"), status, trouble)


class Result:
    def __init__(self, out, err, status, trouble):
        self.out, self.err, self.status, self.trouble = out, err, status, trouble

    def text(self):
        return self.out + f"[exit status {self.status}]\n"


class Test:
    def __init__(self, source, binaries):
        self.name = source.stem
        self.source = source
        self.binary = binaries / self.name
        head = source.read_text()[:2000]
        self.oracle = self.directive(head, "oracle") or "user"
        self.differs = self.directive(head, "differs")
        self.timeout = self.directive(head, "timeout")

    @staticmethod
    def directive(head, key):
        match = re.search(rf"^// {key}: (.*)$", head, re.M)
        return match.group(1).strip() if match else None


def difference(expected, got, left, right):
    lines = difflib.unified_diff(expected.splitlines(), got.splitlines(), left, right, lineterm="", n=2)
    return ["    " + line for line in lines]


def run_one(test, machine, args):
    """(verdict, lines to print below it)"""
    timeout = float(test.timeout or args.timeout)
    if not test.binary.exists():
        return "FAIL", [f"    not built: {test.binary}"]
    if test.oracle == "expected":
        if args.native_only:
            return "SKIP", ["    warren's own answers; nothing to ask the kernel"]
        expected = test.source.with_suffix(".expected").read_text()
    else:
        if machine.oracle_error:
            return "SKIP", [f"    NO ORACLE: {machine.oracle_error}"]
        native = machine.run(machine.native_command(str(test.binary), test.oracle == "privileged"), timeout)
        if args.show:
            return "PASS" if not native.trouble else "FAIL", ["    " + line for line in
                                                             (native.text() + native.err).splitlines()]
        if native.trouble or native.err or "MUST " in native.out or native.status:
            return "FAIL", [f"    natively: {native.trouble or ''}"] + [
                "    " + line for line in (native.text() + native.err).splitlines()]
        if args.native_only:
            for _ in range(args.repeat - 1):
                again = machine.run(
                    machine.native_command(str(test.binary), test.oracle == "privileged"), timeout)
                if again.text() != native.text() or again.trouble:
                    return "FAIL", ["    the kernel does not answer the same each time"] + difference(
                        native.text(), again.text(), "first", "again")
            return "PASS", []
        expected = native.text()
    notes = []
    if test.differs:
        expected = test.source.with_suffix(".warren").read_text()
        notes = [f"    known difference: {test.differs}"]
    for _ in range(args.repeat):
        ours = machine.run(machine.warren_command(str(test.binary)), timeout)
        if ours.trouble or ours.text() != expected:
            lines = difference(expected, ours.text(), "kernel", "warren")
            if ours.trouble:
                lines.insert(0, f"    under warren: {ours.trouble}")
            if ours.err:
                lines += ["    stderr: " + line for line in ours.err.splitlines()[:20]]
            return "FAIL", lines
    return "PASS", notes


def main():
    # Who started this may ignore what a terminal sends; the programs are about that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    parser = argparse.ArgumentParser(description="differential tests of warren against the kernel")
    parser.add_argument("tests", nargs="*", help="names, or beginnings of names; all without any")
    parser.add_argument("--bin", type=pathlib.Path, help="where the test programs were built")
    parser.add_argument("--warren", default=os.environ.get("WARREN"), help="the warren to test")
    parser.add_argument("--backend", default=os.environ.get("WARREN_BACKEND", "auto"), help="auto, ptrace, inject or untraced")
    parser.add_argument("--native-only", action="store_true", help="only check that the kernel answers the same each time")
    parser.add_argument("--show", action="store_true", help="only print what the kernel answers")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each test")
    parser.add_argument("--timeout", type=float, default=30, help="seconds for each run")
    parser.add_argument("--user", default=os.environ.get("WARREN_TEST_USER"), help="who guests are, when started by root")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()

    binaries = args.bin or ROOT / "build" / "release" / "tests" / "linux"
    sources = sorted(HERE.glob("*.cc"))
    tests = [Test(source, binaries.resolve()) for source in sources]
    if args.tests:
        unknown = [name for name in args.tests if not any(t.name.startswith(name) for t in tests)]
        if unknown:
            sys.exit(f"run.py: no such test: {' '.join(unknown)}")
        tests = [t for t in tests if any(t.name.startswith(name) for name in args.tests)]
    if args.list:
        print("\n".join(t.name for t in tests))
        return
    if not (args.native_only or args.show):
        warren = args.warren or str(ROOT / "build" / "release" / "src" / "cli" / "warren")
        if not os.access(warren, os.X_OK):
            sys.exit(f"run.py: no warren at {warren}; name one with --warren, or use --native-only")
        args.warren = os.path.abspath(warren)

    machine = Machine(args)
    if machine.oracle_error:
        print(f"*** the kernel's own PID namespaces cannot be had here: {machine.oracle_error}")
        print("*** tests that need them as their oracle are skipped")
    count = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    failed = []
    try:
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for test, (verdict, lines) in zip(tests, pool.map(lambda t: run_one(t, machine, args), tests)):
                count[verdict] += 1
                if verdict == "FAIL":
                    failed.append(test.name)
                print(f"{verdict} {test.name}", *lines, sep="\n", flush=True)
    finally:
        shutil.rmtree(machine.home, ignore_errors=True)
    if failed:
        print("failed:", *failed)
    print(f"{count['PASS']} passed, {count['FAIL']} failed, {count['SKIP']} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
