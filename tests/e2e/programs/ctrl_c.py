#!/usr/bin/python3
"""Starts a command on a terminal, waits for a line "started", types Ctrl-C, prints how it ended."""

import sys

import pexpect

child = pexpect.spawn(sys.argv[1], sys.argv[2:], timeout=20, encoding="utf-8", echo=False)
child.expect("started")
child.sendcontrol("c")
child.expect(pexpect.EOF)
child.close()
print(f"exit {child.exitstatus} signal {child.signalstatus}")
