#!/usr/bin/env bats
# Debuggers and tracers inside: ptrace(2) by guests, whose numbers are those of their namespace.

load helper

setup_file() { bats_require_minimum_version 1.5.0; }

# A container of the name `$1` that runs the rest, in the background; it is there when this returns.
begin_container() {
  local name=$1
  shift
  "$WARREN" run --name "$name" -- "$@" &
  eventually 20 inside "$name" true
}
inside() { timeout --foreground -k 5 "${LIMIT:-60}" "$WARREN" exec "$@" 2>/dev/null; }

# The calls of a trace without what differs from run to run.
calls() { sed -E 's/0x[0-9a-f]+/X/g; s|/\* [0-9]+ vars \*/|vars|; s/^[0-9]+ +//; s/getrandom\("[^"]*"/getrandom("R"/' "$1"; }

@test "strace shows what it shows natively" {
  need strace
  # The same process numbers natively, whatever they are: their lines have none.
  local command='kill -USR1 $$; cd /; true | true; exit 4'
  run -138 strace -o native.out sh -c "$command"
  run -138 guest strace -o inside.out sh -c "$command"
  for file in native.out inside.out; do
    calls "$file" | sed -E 's/\b(getpid|getppid|clone|vfork|kill|wait4)\(.*//; s/si_pid=[0-9]+/si_pid=N/; s/[0-9]{2,}/N/g; s/(set_tid_address.*= ).*/\1N/' >"$file.calls"
  done
  diff native.out.calls inside.out.calls
  run -0 grep -E '^getpid\(\) += [2-9]$' inside.out
}

@test "strace -f: numbers in calls and of tasks are the same, each end is told" {
  need strace python3
  # Not as process 1: it would inherit the orphan, and strace falls over one whose end it has been told of before.
  # shellcheck disable=SC2016
  run -0 guest sh -c 'strace -f -o trace.out sh -c "$1"; exit' - \
    '/bin/true; sh -c "exit 3"; echo $?; (sh -c "kill -TERM \$PPID"; true) 2>/dev/null; echo $?'
  [[ $output == 3*143 ]]
  cat >check.py <<-'END'
	import re, sys
	made, seen, ended = set(), set(), {}
	for line in open("trace.out"):
	    task, rest = line.split(None, 1)
	    seen.add(int(task))
	    match = re.search(r"(?:vfork|clone|fork)[^=]*(?:resumed>)?.*\) += (\d+)$", rest.strip())
	    if match: made.add(int(match[1]))
	    match = re.search(r"\+\+\+ (exited with|killed by) (\w+)", rest)
	    if match: ended[int(task)] = match[2]
	    match = re.match(r"getpid\(\) += (\d+)", rest)
	    if match: assert match[1] == task, line
	assert made, "no fork was seen"
	assert made | {min(seen)} == seen, (made, seen)
	assert set(ended) == seen, (ended, seen)
	assert max(seen) < 20, seen
	assert "3" in ended.values() and "SIGTERM" in ended.values(), ended
	END
  python3 check.py
}

@test "strace of programs with threads, and of a program of several processes" {
  need strace python3
  LIMIT=120 run -0 guest strace -f -c -o counts.out python3 -c '
import threading, subprocess
workers = [threading.Thread(target=lambda: subprocess.run(["true"], check=True)) for _ in range(8)]
for w in workers: w.start()
for w in workers: w.join()
print("done")'
  [ "$output" = "done" ]
  grep -q execve counts.out
}

@test "gdb: breakpoints, threads, watchpoints, calls, followed forks" {
  need gdb cc
  compile debuggee -g -O0 -pthread
  cat >commands <<-END
	set confirm off
	set pagination off
	break work
	run
	backtrace
	print n
	finish
	print \$_exitcode
	print (int)getpid()
	info inferiors
	continue
	info threads
	delete
	tbreak main
	catch fork
	continue
	info breakpoints
	kill
	END
  run -0 guest gdb -nx -batch -x commands ./debuggee
  [[ $output == *"work (n=21)"* ]]
  [[ $output == *"Value returned is \$2 = 42"* ]]
  number=$(sed -nE 's/^pid ([0-9]+)$/\1/p' <<<"$output")
  [ "$number" -lt 20 ]
  [[ $output == *"\$4 = $number"* ]]
  [[ $output == *"process $number"* ]]
  [[ $output == *"work (n=7)"* ]]
  [[ $output == *"(forked process "* ]]
  cat >commands <<-END
	set confirm off
	set pagination off
	set follow-fork-mode child
	break work if n == 5
	run
	backtrace
	continue
	END
  run -0 guest gdb -nx -batch -x commands ./debuggee
  [[ $output == *"work (n=5)"* ]]
  [[ $output == *"exited with code 012"* ]]
  [[ $output == *"status 10"* ]]
  cat >commands <<-END
	set confirm off
	set pagination off
	set detach-on-fork off
	set schedule-multiple on
	run
	END
  # Which of the two comes first is not said: the parent need not wait for gdb (docs/compat.md).
  run -0 guest gdb -nx -batch -x commands ./debuggee
  [[ $output == *"New inferior 2"* ]]
  [[ $output == *"exited with code 012"* || $output == *"received signal SIGUSR1"* ]]
  printf 'set confirm off\nrun\ncontinue\n' >commands
  run -0 guest gdb -nx -batch -x commands ./debuggee
  [[ $output == *"received signal SIGUSR1"*"counter 1"*"exited normally"* ]]
}

@test "gdb and strace attach to a running process, and leave it again" {
  need gdb strace cc
  compile debuggee -g -O0 -pthread
  run -0 guest bash -c '
    ./debuggee wait >out & target=$!
    until grep -q pid out; do :; done
    grep TracerPid: /proc/$target/status
    strace -o attached.out -p $target & tracer=$!
    until grep -q nanosleep attached.out 2>/dev/null; do :; done
    [ "$(sed -nE "s/TracerPid:\t//p" /proc/$target/status)" = $tracer ] && echo traced
    # One tracer at a time.
    gdb -nx -batch -p $target 2>&1 | grep -c "is already traced by process $tracer"
    kill -INT $tracer; wait $tracer
    grep TracerPid: /proc/$target/status
    gdb -nx -batch -p $target -ex "print leave" -ex "set var leave = 1" -ex detach >gdb.out 2>&1
    grep "^\$1" gdb.out
    wait $target; echo $?; cat out'
  [[ $output == *"TracerPid:"*0*traced* ]]
  [[ $output == *"\$1 = 0"* ]]
  [[ $output == *left* ]]
}

@test "a tracee is frozen and thawed, killed with its container, and left by a killed tracer" {
  need gdb cc jq
  compile debuggee -g -O0 -pthread
  local host name="debug-$RANDOM$RANDOM"
  begin_container "$name" sleep 1000
  inside "$name" bash -c './debuggee wait >out & echo $! >target; wait' &
  eventually 10 grep -qs pid out
  printf 'set pagination off\nbreak work\nshell touch there\nshell sleep 1000\n' >commands
  inside "$name" gdb -nx -batch -p "$(cat target)" -x commands >gdb.out 2>&1 &
  eventually 20 test -e there
  inside "$name" cat "/proc/$(cat target)/status" >status
  grep -q 'State:.t (tracing stop)' status
  run -0 "$WARREN" group create "$name" /a
  host=$("$WARREN" ps "$name" --json | jq ".[0].tasks[] | select(.nrs[1] == $(cat target)).nrs[0]")
  run -0 "$WARREN" group move "$name" /a "$host"
  run -0 "$WARREN" freeze "$name" /a
  run -0 "$WARREN" thaw "$name" /a
  run -0 inside "$name" pkill -KILL gdb
  eventually 10 inside "$name" sh -c 'grep -q "TracerPid:.0" "/proc/$(cat target)/status"'
  inside "$name" gdb -nx -batch -p "$(cat target)" -x commands >gdb.out 2>&1 &
  rm -f there
  eventually 20 test -e there
  run -0 "$WARREN" kill "$name"
  wait
  eventually 10 no_survivors
}
