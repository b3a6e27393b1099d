#!/usr/bin/env bats
# Guests against their own agent: whatever they do with it, nobody else is reached, and whenever they
# are killed, nothing hangs and nothing is left.

load helper

SOURCES=$BATS_TEST_DIRNAME/../../src

need_agent() { [ "${WARREN_BACKEND:-auto}" != ptrace ] || skip "guests have no agent with this back end"; }

# A guest of this test by its name, as the host numbers it.
guest_named() {
  local pid
  for pid in $(survivors); do
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ]; then
      echo "$pid"
      return
    fi
  done
  return 1
}

@test "a guest that jumps into, tears and overwrites its agent reaches nobody else" {
  need_agent
  c++ -std=c++20 -O1 -Wall -I "$SOURCES" -o agent_abuse "$PROGRAMS/agent_abuse.cc"
  env -u E2E_MARK sleep 1000 3>&- &
  local outsider=$! ended=0
  # No guest may have the number that the host gave the outsider: theirs begin far above.
  # shellcheck disable=SC2016
  timeout --foreground -k 5 120 "$WARREN" run --backend inject -- sh -c '
    echo 3000000 >/proc/sys/kernel/ns_last_pid
    ./agent_abuse witness >witness & until [ -s victim ]; do sleep 0.05; done
    ./agent_abuse attack "$1" "$(cat victim)" >attack; echo $? >status
    echo >stop; wait; echo here' sh "$outsider" >out 2>errors 3>&- &
  local warren_pid=$!
  eventually 20 guest_named victim
  guest_named victim >number
  mv number victim
  wait "$warren_pid" || ended=$?
  grep -H . attack status witness out >&2 || true
  kill -0 "$outsider"
  [ "$(ps -o stat= -p "$outsider")" != Z ]
  kill "$outsider"
  [ "$ended" -eq 0 ]
  [ "$(cat status)" = 0 ]
  [ "$(cat witness)" = fine ]
  [ "$(cat out)" = here ]
  [ "$(tail -n 1 attack)" = attacked ]
  [ -z "$(grep wrong attack)" ]
  # What the kernel closes where it can.
  if "$WARREN" doctor | grep -q '^ok *landlock'; then grep -qx 'memory of others: closed' attack; fi
  no_survivors
}

@test "an agent comes without stops" {
  local without opens
  mapfile -t opens < <(yes /dev/null | head -n 30)
  run -0 --separate-stderr env WARREN_AGENT_AFTER=255 "$WARREN" run --stats --backend untraced -- cat "${opens[@]}" /proc/self/maps
  [[ "$output" != *warren-agent* ]]
  without=$(sed -n 's/^warren: \([0-9]*\) stops.*/\1/p' <<<"$stderr")
  run -0 --separate-stderr env -u WARREN_AGENT_AFTER "$WARREN" run --stats --backend untraced -- cat "${opens[@]}" /proc/self/maps
  [[ "$output" == *warren-agent* ]]
  [ "$(sed -n 's/^warren: \([0-9]*\) stops.*/\1/p' <<<"$stderr")" -eq "$without" ]
}

@test "an agent comes at once to who was worth one before, and not to others" {
  # shellcheck disable=SC2016
  run -0 env -u WARREN_AGENT_AFTER LC_ALL=C "$WARREN" run --backend untraced -- bash -c '
    for ((i = 0; i < 30; i++)); do opens+=(/dev/null); done
    cp "$(type -P cat)" many; cp many few
    ./few /proc/self/maps >first
    ./many "${opens[@]}" >second
    ./many /proc/self/maps >third
    ./few /proc/self/maps >fourth
    grep -l warren-agent first second third fourth; true'
  [ "$output" = third ]
}

@test "a process that signals itself gets its agent before that, and each signal once" {
  # shellcheck disable=SC2016
  local program='trap "((n++))" USR1; for ((i = 0; i < 300; i++)); do kill -USR1 $$; done; echo $n' stops
  if ! "$WARREN" doctor | grep -q "^ok *own pidfd"; then skip "SKIPPED: the host has no pidfd of oneself"; fi
  for after in 0 1 8; do
    run -0 --separate-stderr env WARREN_AGENT_AFTER=$after "$WARREN" run --stats --backend untraced -- bash -c "$program"
    [ "$output" = 300 ]
    stops=$(sed -n 's/^warren: \([0-9]*\) stops.*/\1/p' <<<"$stderr")
    [ "$after" != 0 ] || [ "$stops" -lt 100 ]
    run -0 --separate-stderr env WARREN_AGENT_AFTER=$after "$WARREN" run --stats --backend untraced -- sh -c 'bash -c "$1"; true' sh "$program"
    [ "$output" = 300 ]
    stops=$(sed -n 's/^warren: \([0-9]*\) stops.*/\1/p' <<<"$stderr")
    [ "$after" != 0 ] || [ "$stops" -lt 100 ]
  done
}

@test "the loader's looks for its own files and libraries cost nothing" {
  # shellcheck disable=SC2016
  notifications() {
    run -0 --separate-stderr env -u WARREN_AGENT_AFTER "$WARREN" run --stats "$@" -- sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do /bin/true; done; exit'
    sed -n 's/.*), \([0-9]*\) notifications.*/\1/p' <<<"$stderr"
    echo "$stderr" >stats
  }
  for backend in inject untraced; do
    asking=$(notifications --backend "$backend" --ask-paths)
    [[ "$(cat stats)" =~ warren:\ notified:.*\ openat\ ([0-9]+) ]]
    [ "${BASH_REMATCH[1]}" -ge 40 ]
    ordinary=$(notifications --backend "$backend")
    [ "$ordinary" -gt 40 ]
    [ $((asking - ordinary)) -ge 60 ]
    # Some of the shell's own, perhaps; none of each program's.
    [[ ! "$(cat stats)" =~ \ openat\ ([0-9]+) ]] || [ "${BASH_REMATCH[1]}" -lt 20 ]
  done
}

@test "handlers that do not see the sender need no stops" {
  need python3
  local few
  # shellcheck disable=SC2016
  stops_of() {
    run -0 --separate-stderr "$WARREN" run --stats --backend untraced -- sh -c 'python3 signals.py "$@"; exit' - "$1" "$2"
    [ "$output" = "$2" ]
    sed -n 's/^warren: \([0-9]*\) stops.*/\1/p' <<<"$stderr"
  }
  cat >signals.py <<-END
	import os, signal, sys, time
	count = 0
	seen, tell = os.pipe()
	def handler(number, frame):
	    global count
	    count += 1
	    os.write(tell, b"x")
	signal.signal(signal.SIGUSR1, handler)
	signal.siginterrupt(signal.SIGUSR1, sys.argv[1] == "interrupts")
	parent = os.getpid()
	sender = os.fork()
	if sender == 0:
	    for i in range(int(sys.argv[2])):
	        os.kill(parent, signal.SIGUSR1)
	        os.read(seen, 1)
	    os._exit(0)
	while count < int(sys.argv[2]): time.sleep(0.05)  # until a handler has run
	os.waitpid(sender, 0)
	print(count)
	END
  few=$(stops_of restarts 5)
  [ "$(stops_of restarts 500)" -le $((few + 20)) ]
  # For comparison, so that the test is one.
  [ "$(stops_of interrupts 500)" -ge $((few + 400)) ]
}

@test "a guest that lies about its children reaches nobody else" {
  c++ -std=c++20 -O1 -Wall -I "$SOURCES" -o fork_notes "$PROGRAMS/fork_notes.cc"
  env -u E2E_MARK sleep 1000 3>&- &
  local outsider=$!
  # shellcheck disable=SC2016
  run -0 timeout -k 5 60 "$WARREN" run --backend untraced -- sh -c '
    echo 3000000 >/proc/sys/kernel/ns_last_pid
    sleep 1000 & echo $! >other; ./fork_notes "$@"; kill -0 $(cat other) && kill $(cat other); echo ended $?' \
    sh "$outsider" 1 $$
  kill -0 "$outsider"
  [ "$(ps -o stat= -p "$outsider")" != Z ]
  kill "$outsider"
  [[ "$output" == *"lied"*"ended 0"* ]]
  [[ "$output" != *wrong* ]] || { echo "$output" >&2; false; }
  no_survivors
}

@test "a program that has its own text or data where the agent would be goes without" {
  local begin
  # Its text there, and its data.
  for begin in 0x50e0000 0x4000000; do
    cc -O1 -Wall -static -no-pie "-Wl,-Ttext-segment=$begin" -o in_the_way "$PROGRAMS/in_the_way.c"
    run -0 guest ./in_the_way
    [ "$output" = untouched ]
  done
}

# The storm's init as the host knows it: warren's own child.
storm_init() {
  local pid name parent
  for pid in $(survivors); do
    { read -r name <"/proc/$pid/comm" && [ "$name" = storm-init ]; } 2>/dev/null || continue
    parent=$(ps -o ppid= -p "$pid") || continue
    if [ "$(cat "/proc/${parent// /}/comm" 2>/dev/null)" = warren ]; then
      echo "$pid"
      return
    fi
  done
  return 1
}

@test "guests that are killed at random: nothing hangs, nothing is left, and the container has its status" {
  need python3 find
  compile killer
  cat >storm.py <<-'END'
	import os, subprocess, threading
	def work():
	    for i in range(5):
	        subprocess.call(["true"])
	        os.getppid(), os.stat("/etc"), open("/proc/self/stat").read()
	        pid = os.fork()
	        if pid == 0:
	            os._exit(0)
	        os.waitpid(pid, 0)
	threads = [threading.Thread(target=work) for _ in range(3)]
	for thread in threads: thread.start()
	for thread in threads: thread.join()
	END
  # Nobody there is asked how it ended: it may have been killed.
  cat >storm-init <<-'END'
	#!/bin/bash
	exec >/dev/null 2>&1
	end=$((SECONDS + 4))
	while [ $SECONDS -lt $end ]; do
	  bash -c 'for i in 1 2 3 4 5; do /bin/true; (echo $$ | cat); done' &
	  sh -c 'ls / | wc -l; cat /proc/self/stat; exec /bin/true' &
	  find /usr/share/doc -maxdepth 1 -newer /etc/passwd &
	  python3 storm.py &
	  wait
	done
	exit 23
	END
  chmod +x storm-init
  local seed=${WARREN_TEST_SEED:-$RANDOM} round ended warren_pid init began killed=0
  for round in 1 2 3; do
    echo "# round $round seed $((seed + round))" >&2
    began=$SECONDS
    timeout --foreground -k 5 60 "$WARREN" run -- ./storm-init 3>&- &
    warren_pid=$!
    eventually 20 storm_init
    init=$(storm_init)
    ./killer "$init" $((seed + round)) >killed
    ended=0
    wait "$warren_pid" || ended=$?
    echo "# killed $(cat killed), ended $ended after $((SECONDS - began)) s" >&2
    killed=$((killed + $(cat killed)))
    [ "$ended" -eq 23 ]
    eventually 10 no_survivors
  done
  [ "$killed" -gt 200 ]
}
