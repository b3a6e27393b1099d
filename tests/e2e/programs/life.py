"""A life as process 1, with every way of ending a child, and what /proc shows of it. Says "lived"."""
import os
import signal
import subprocess
import time


def fork(code):
    """A child that ends at once."""
    child = os.fork()
    if child == 0:
        os._exit(code)
    return child


def shown():
    """The processes of /proc."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def alone():
    """Whether nobody else is left, in a while."""
    end = time.monotonic() + 10
    while shown() != [1]:
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


assert (os.getpid(), os.getppid()) == (1, 0)
for number in range(100):
    child = fork(number)
    assert os.waitpid(child, 0) == (child, number << 8)
    assert os.getpid() == 1 and os.stat("/etc/passwd").st_size > 0
assert shown() == [1]

shell = "echo $$; exec readlink /proc/self"
for _ in range(20):
    numbers = subprocess.run(["sh", "-c", shell], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert numbers[0] == numbers[1] != "1", numbers
# Orphans come to this process.
subprocess.run(["sh", "-c", "(exec sleep 0.1) & exit 3"])
assert os.WEXITSTATUS(os.wait()[1]) == 0

child = fork(5)
assert os.waitid(os.P_PID, child, os.WEXITED).si_pid == child
child = subprocess.Popen(["sleep", "1000"])
assert child.pid in shown() and open(f"/proc/{child.pid}/comm").read() in ("sleep\n", "python3\n")
child.kill()
assert child.wait() == -signal.SIGKILL
assert alone()

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for number in range(10):
    fork(number)
assert alone(), shown()
print("lived")
