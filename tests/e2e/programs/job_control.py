#!/usr/bin/python3
"""Drives an interactive shell through a pseudo-terminal, as a person would: job_control.py COMMAND...

Everything is matched as it appears; nothing waits for a fixed time."""

import sys

import pexpect

PROMPT = "READY> "


def main():
    shell = pexpect.spawn(sys.argv[1], sys.argv[2:], timeout=20, encoding="utf-8", dimensions=(30, 100), echo=False)
    shell.logfile_read = sys.stderr
    shell.expect(r"[#$] $")
    # The prompt is put together, so that its echo does not look like it.
    shell.sendline("PS1='REA''DY> '")
    shell.expect_exact(PROMPT)

    def say(line, *patterns):
        shell.sendline(line)
        for pattern in patterns:
            shell.expect(pattern)
        shell.expect_exact(PROMPT)

    say("echo me=$$ parent=$PPID", r"me=1 parent=0\r")
    say("tty -s && echo has-a-terminal", "has-a-terminal\r")
    say("stty size", r"30 100\r")
    shell.setwinsize(40, 120)
    say("stty size", r"40 120\r")
    print("prompt, numbers and window size")

    # Ctrl-Z, jobs, bg, fg, Ctrl-C.
    shell.sendline("sleep 1000")
    wait_foreground(shell)
    shell.sendcontrol("z")
    shell.expect(r"\[1\]\+ +Stopped +sleep 1000")
    shell.expect_exact(PROMPT)
    say("jobs -l", r"\[1\]\+ +\d+ Stopped +sleep 1000")
    say("ps -o stat= -p $(jobs -p)", r"T\S*\r")
    say("bg", r"\[1\]\+ sleep 1000 &")
    say("jobs", r"\[1\]\+ +Running +sleep 1000 &")
    shell.sendline("fg")
    shell.expect("sleep 1000\r")
    wait_foreground(shell)
    shell.sendcontrol("c")
    shell.expect_exact(PROMPT)
    say("echo status=$?", r"status=130\r")
    say("jobs; echo no-more-jobs", "no-more-jobs\r")
    print("Ctrl-Z, jobs, bg, fg, Ctrl-C")

    # A pipeline is one job: it stops, continues and ends as one.
    shell.sendline("sleep 1000 | cat | cat")
    wait_foreground(shell, 3)
    shell.sendcontrol("z")
    shell.expect(r"\[1\]\+ +Stopped +sleep 1000 \| cat \| cat")
    shell.expect_exact(PROMPT)
    say("ps -e -o pgid=,comm= | grep -c \"^ *$(jobs -p) \"", r"3\r")
    # Whether bash has heard of an end by its next command is a matter of time: until then, the job is a
    # stopped one for it.
    until_gone = "while kill -0 %1 2>/dev/null; do :; done"
    say(f"kill %1; {until_gone}; echo all-ended", r"all-ended\r")
    say("jobs; echo no-job-left", r"no-job-left\r")
    print("a pipeline as one job")

    # A background reader is stopped by the terminal.
    say("cat &", r"\[1\] \d+")
    say("wait -n; jobs", r"Stopped +cat")
    say(f"kill -KILL %1; {until_gone}; echo gone", r"gone\r")
    say("sleep 1000 & p=$!; sleep 1000 & kill $p $!; wait; echo none=$(jobs -r | wc -l)", r"none=0\r")
    print("background jobs")

    # Job control one shell further down.
    shell.sendline("bash --norc --noprofile -i")
    shell.expect(r"[#$] $")
    shell.sendline("PS1='REA''DY> '")
    shell.expect_exact(PROMPT)
    shell.sendline("sleep 1000")
    wait_foreground(shell)
    shell.sendcontrol("z")
    shell.expect(r"\[1\]\+ +Stopped")
    shell.expect_exact(PROMPT)
    say(f"kill -KILL %1; {until_gone}; echo still-inner", "still-inner\r")
    shell.sendline("exit")
    shell.expect_exact(PROMPT)
    print("a shell in the shell")

    shell.sendline("exit 7")
    shell.expect(pexpect.EOF)
    shell.close()
    print(f"exit {shell.exitstatus}")


def wait_foreground(shell, processes=1):
    """Until the job is the terminal's foreground group and all its processes run their programs."""
    import os
    import time

    end = time.monotonic() + 20
    own = None
    while time.monotonic() < end:
        group = os.tcgetpgrp(shell.child_fd)
        names = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    text = f.read()
            except OSError:
                continue
            fields = text[text.rindex(")") + 2:].split()
            if int(fields[2]) == group and fields[0] in "S":
                names.append(text[text.index("(") + 1:text.rindex(")")])
        if len([n for n in names if n in ("sleep", "cat")]) >= processes:
            return
        own = names
        time.sleep(0.02)
    raise SystemExit(f"no job came to the foreground; there is {own}")


main()
