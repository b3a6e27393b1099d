#!/usr/bin/python3
"""CPython's own tests, from Debian's libpython3.X-testsuite: natively, then under warren.

Every test method must have the verdict that it has natively. Where the two differ, the module is
run natively once more, and a method whose verdict is not even natively the same is named as such
and not counted: the host's Python has no one answer there.

Under warren the tests are process 2 below warren's own small init, as natively they are not
process 1 either.
"""

import argparse
import concurrent.futures
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHON = "/usr/bin/python3"
MODULES = ["test_os", "test_posix", "test_subprocess", "test_signal", "test_fork1", "test_wait3", "test_wait4",
           "test_threading", "test_multiprocessing_fork", "test_pty", "test_asyncio"]
MARK = "WARREN_TEST_MARK"


class Runner:
    def __init__(self, args):
        self.args = args
        self.root = os.geteuid() == 0
        self.home = tempfile.mkdtemp(prefix="warren-cpython-")
        self.become = []
        if self.root:
            user = self.ordinary_user(args.user)
            os.chown(self.home, user.pw_uid, user.pw_gid)
            self.become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
                           "--inh-caps=-all"]
        self.said = {}  # by module and test, under warren: the traceback
        self.user = user if self.root else pwd.getpwuid(os.getuid())

    @staticmethod
    def ordinary_user(name):
        for candidate in [name] if name else ["tester", "nobody"]:
            try:
                return pwd.getpwnam(candidate)
            except KeyError:
                continue
        sys.exit(f"run.py: no such user: {name or 'tester, nobody'}")

    def directory(self, name):
        path = os.path.join(self.home, name)
        os.mkdir(path, 0o700)
        if self.root:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def run(self, module, under_warren):
        """({test method: verdict}, trouble or None, seconds)"""
        mark = uuid.uuid4().hex
        work = self.directory(mark)
        report = os.path.join(work, "report.xml")
        command = [PYTHON, "-m", "test", "--junit-xml", report, "--tempdir", work, module]
        if self.args.match:
            command[4:4] = ["-m", self.args.match]
        if under_warren:
            command = [self.args.warren, "run", "--init", "--"] + command
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": work, "TMPDIR": work,
                       "XDG_RUNTIME_DIR": work, "LC_ALL": "C.UTF-8", "WARREN_BACKEND": self.args.backend, "USER": self.user.pw_name,
                       "LOGNAME": self.user.pw_name, MARK: mark}
        begin = time.monotonic()
        log_path = os.path.join(self.home, mark + ".log")
        trouble = None
        with open(log_path, "wb") as log:
            process = subprocess.Popen(self.become + command, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, cwd=work, env=environment, start_new_session=True)
            try:
                process.wait(self.args.timeout)
            except subprocess.TimeoutExpired:
                trouble = f"no end within {self.args.timeout:.0f} s"
                self.end(mark, process.pid)
                process.wait()
        left = self.survivors(mark)
        if under_warren and left and not trouble:
            trouble = f"{len(left)} processes outlived the run"
        self.end(mark)
        verdicts = self.parse(report, module, under_warren)
        if not verdicts and not trouble:
            trouble = f"no report; exit status {process.returncode}"
        if trouble:
            lines = pathlib.Path(log_path).read_text(errors="replace").splitlines()
            trouble += "".join("\n    | " + line for line in lines[-15:])
        shutil.rmtree(work, ignore_errors=True)
        return verdicts, trouble, time.monotonic() - begin

    def parse(self, report, module, under_warren):
        try:
            tree = ElementTree.parse(report)
        except (OSError, ElementTree.ParseError):
            return {}
        verdicts = {}
        for case in tree.iter("testcase"):
            kinds = {child.tag for child in case}
            verdict = next((k for k in ("error", "failure", "skipped") if k in kinds), None)
            if verdict is None:
                verdict = "skipped" if case.get("result") == "skipped" or case.get("status") == "notrun" else "passed"
            name = case.get("name")
            # Subtests carry the method's name too: the worst of them counts.
            order = ["skipped", "passed", "failure", "error"]
            if name not in verdicts or order.index(verdict) > order.index(verdicts[name]):
                verdicts[name] = verdict
                if under_warren:
                    self.said[module, name] = "".join(child.text or "" for child in case if child.tag == verdict)
        return verdicts

    @staticmethod
    def survivors(mark):
        needle = f"{MARK}={mark}".encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if needle in pathlib.Path("/proc", pid, "environ").read_bytes().split(b"\0"):
                    found.append(int(pid))
            except OSError:
                continue
        return found

    def end(self, mark, *others):
        for pid in {*others, *self.survivors(mark)}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def compare(runner, module):
    """(same, different) counts, having printed the differences."""
    # Most of these tests' time is waiting: both runs fit side by side.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        if not runner.args.native_only:
            under_warren = pool.submit(runner.run, module, True)
        native, trouble, native_time = runner.run(module, False)
    if trouble:
        print(f"FAIL {module}: natively: {trouble}", flush=True)
        return 0, 1
    if runner.args.native_only:
        counts = {v: list(native.values()).count(v) for v in sorted(set(native.values()))}
        print(f"PASS {module}: {counts} in {native_time:.0f} s", flush=True)
        return len(native), 0
    ours, trouble, our_time = under_warren.result()
    if trouble:
        print(f"FAIL {module}: under warren: {trouble}", flush=True)
    names = sorted(set(native) | set(ours))
    different = [n for n in names if native.get(n) != ours.get(n)]
    flaky = set()
    if different and ours:
        again, again_trouble, _ = runner.run(module, False)
        if not again_trouble:
            flaky = {n for n in different if again.get(n) != native.get(n)}
    for name in different if ours else []:
        note = "   (natively not the same each time: not counted)" if name in flaky else ""
        print(f"  {name}: natively {native.get(name, 'absent')}, under warren {ours.get(name, 'absent')}{note}")
        for line in runner.said.get((module, name), "").splitlines():
            print(f"    | {line}")
    bad = len(different) - len(flaky) + bool(trouble and ours)
    print(f"{'FAIL' if bad else 'PASS'} {module}: {len(names) - len(different)} of {len(names)} verdicts the same, "
          f"{native_time:.0f} s natively, {our_time:.0f} s under warren", flush=True)
    return len(names) - len(different), bad


def main():
    parser = argparse.ArgumentParser(description="CPython's own tests under warren, same verdicts as natively")
    parser.add_argument("modules", nargs="*", default=MODULES)
    parser.add_argument("--warren", default=os.environ.get("WARREN", str(ROOT / "build/release/src/cli/warren")))
    parser.add_argument("--backend", default=os.environ.get("WARREN_BACKEND", "auto"), help="auto, ptrace, inject or untraced")
    parser.add_argument("--match", help="only test methods that match this pattern")
    parser.add_argument("--native-only", action="store_true")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for each run of a module")
    parser.add_argument("--user", default=os.environ.get("WARREN_TEST_USER"))
    args = parser.parse_args()
    if not args.native_only and not os.access(args.warren, os.X_OK):
        sys.exit(f"run.py: no warren at {args.warren}; name one with --warren")
    args.warren = os.path.abspath(args.warren)
    if subprocess.run([PYTHON, "-c", "import test.test_os"], capture_output=True).returncode != 0:
        sys.exit("run.py: Debian's libpython3.X-testsuite is not installed (scripts/install-deps.sh installs it)")
    runner = Runner(args)
    same = bad = 0
    try:
        for module in args.modules:
            module_same, module_bad = compare(runner, module)
            same += module_same
            bad += module_bad
    finally:
        shutil.rmtree(runner.home, ignore_errors=True)
    print(f"{same} verdicts the same, {bad} different")
    sys.exit(1 if bad else 0)


main()
