#!/usr/bin/env bats
# warren move --ns: live processes change their pid namespace.

load helper

# In a guest: namespaces `a` and `b` side by side, below the container's own, each with an init that
# sleeps. `b` has 60 processes, so that small numbers are taken there.
write_prelude() {
  cat >prelude.sh <<-'END'
	move() { "$WARREN" move "$@"; }
	ns_of() { stat -L -c %i "/proc/$1/ns/pid"; }
	until_there() { until [ -s "$1" ] && grep -q "$2" "$1"; do sleep 0.02; done; }
	unshare -p -f sleep 1001 2>/dev/null &
	unshare -p -f bash -c 'for i in $(seq 60); do sleep 1003 & done; exec sleep 1002' 2>/dev/null &
	disown -a
	until a=$(pgrep -xf 'sleep 1001'); do sleep 0.02; done
	until b=$(pgrep -xf 'sleep 1002'); do sleep 0.02; done
	inode_a=$(ns_of "$a") inode_b=$(ns_of "$b") inode_0=$(ns_of $$)
	in_a() { nsenter -t "$a" -p -- "$@"; }
	in_b() { nsenter -t "$b" -p -- "$@"; }
	# The number of a process in its own namespace.
	own_number() { awk '$1 == "NSpid:" { print $NF }' "/proc/$1/status"; }
	END
}

moving() {
  write_prelude
  { cat prelude.sh; cat; } >script.sh
  WARREN=$WARREN guest bash script.sh
}

@test "a shell goes to a namespace below its own, and keeps its number" {
  run -0 moving <<-'END'
	mkfifo in; exec 5<>in
	cat >shell.sh <<-'SHELL'
		echo ready
		read -r line
		[ $$ = $BASHPID ] && echo same number
		[ "$(readlink /proc/self/ns/pid)" = "$(readlink /proc/1/ns/pid)" ] && echo among its own
		ps -o args= -p 1
		bash -c 'echo $PPID' | grep -qx $$ && echo parent of its children
		(exit 3); echo child ended $?
		exit 4
	SHELL
	bash shell.sh <in >out & shell=$!
	until_there out ready
	[ "$(move $shell --ns $inode_a)" = $shell ] && echo moved
	ps -o args= -p $shell
	in_a ps -o args= -p $shell
	in_a kill -0 $shell && echo can be signalled
	echo >&5
	wait $shell; echo ended $?
	cat out
	END
  expect_output <<-END
	moved
	bash shell.sh
	bash shell.sh
	can be signalled
	ended 4
	ready
	same number
	among its own
	sleep 1001
	parent of its children
	child ended 3
	END
}

@test "to a namespace beside its own, where its number is taken" {
  run -0 moving <<-'END'
	mkfifo in; exec 5<>in
	cat >shell.sh <<-'SHELL'
		echo ready $$
		read -r line
		echo $$ is $BASHPID >numbers
		sh -c 'echo $PPID' >seen_by_child
		bash -c 'grep ^PPid /proc/$PPID/status'
		exit 7
	SHELL
	in_a bash -c 'bash shell.sh <in >out; echo ended $?' & in_a_shell=$!
	until_there out ready
	read -r _ old <out
	shell=$(pgrep -xf 'bash shell.sh')
	new=$(move $shell --ns $inode_b)
	[ "$new" != "$old" ] && [ "$new" = "$(own_number $shell)" ] && echo another number
	in_a kill -0 $old 2>/dev/null || echo its old number is nobody
	in_a ls /proc | grep -qx $old || echo nor in the list
	in_a ps -A -o args= | grep -c '^bash shell.sh'
	in_b ps -A -o args= | grep -c '^bash shell.sh'
	in_b ps -o args= -p $new
	echo >&5
	wait $in_a_shell
	[ "$(cat numbers)" = "$old is $new" ] && echo a variable keeps the old number
	grep -qx $new seen_by_child && echo its children see the new one
	tail -n +2 out
	END
  expect_output <<-END
	another number
	its old number is nobody
	nor in the list
	0
	1
	bash shell.sh
	ended 7
	a variable keeps the old number
	its children see the new one
	PPid:	0
	END
}

threads_move() {
  run -0 moving <<-END
	for target in a b 0; do
	  mkfifo in; exec 5<>in
	  in_b true
	  in_a ./$1 <in >out & enter=\$!
	  until_there out ready
	  inode=inode_\$target
	  move \$(pgrep -x $1) --ns \${!inode} >/dev/null
	  echo >&5
	  wait \$enter
	  echo "\$target: \$(tail -n 1 out)"
	  rm in out
	done
	END
  expect_output <<-END
	a: wrong 0
	b: wrong 0
	0: wrong 0
	END
}

@test "threads, their mutexes and numbers in the C library" {
  compile move_threads -pthread
  threads_move move_threads
}

@test "threads of musl" {
  need musl-gcc
  musl-gcc -O1 -static -o musl_threads "$PROGRAMS/move_threads.c" -pthread
  threads_move musl_threads
}

@test "threads of Go, which are preempted by signals to their numbers" {
  need go
  HOME=$WORK GOFLAGS=-mod=mod GOCACHE=$WORK/cache go build -o move_go "$PROGRAMS/move_go.go"
  run -0 moving <<-'END'
	mkfifo in; exec 5<>in
	in_a ./move_go <in >out & enter=$!
	until_there out ready
	move $(pgrep -x move_go) --ns $inode_b >/dev/null
	echo >&5
	wait $enter
	tail -n 1 out
	END
  expect_output <<<"collected"
}

@test "Python with threads and children" {
  need python3
  cat >program.py <<-'END'
	import os, subprocess, sys, threading
	stop = threading.Event()
	threads = [threading.Thread(target=stop.wait) for _ in range(5)]
	for t in threads: t.start()
	print("ready", flush=True)
	sys.stdin.readline()
	stop.set()
	for t in threads: t.join()
	assert str(os.getpid()) in os.listdir("/proc")
	assert subprocess.run(["sh", "-c", "exit $PPID"]).returncode == os.getpid() % 256
	child = os.fork()
	if child == 0: os._exit(os.getppid() != int(os.readlink("/proc/self/../self")) and 5)
	assert os.waitpid(child, 0) == (child, 5 << 8)
	print("fine", os.getppid())
	END
  run -0 moving <<-'END'
	for target in $inode_a $inode_b; do
	  mkfifo in; exec 5<>in
	  python3 program.py <in >out & program=$!
	  until_there out ready
	  move $program --ns $target >/dev/null
	  echo >&5
	  wait $program; echo $?
	  tail -n 1 out
	  rm in out
	done
	END
  expect_output <<-END
	0
	fine 0
	0
	fine 0
	END
}

@test "children follow only if asked, all of them" {
  cat >family.sh <<-'END'
	sleep 1010 & sleep 1011 & bash -c 'sleep 1012 & echo ready; wait; echo grandchild gone'
	wait; echo all gone
	END
  run -0 moving <<-'END'
	count() { "$@" ps -A -o args= | grep -cE '^(sleep 101.|bash family)'; }
	for how in "" --children; do
	  : >out  # the last round's is not this one's
	  in_a bash family.sh >out & enter=$!
	  until_there out ready
	  move $(pgrep -xf 'bash family.sh') --ns $inode_b $how >/dev/null
	  echo "a: $(count in_a) b: $(count in_b)"
	  kill $(pgrep -f '^sleep 101'); wait $enter; echo $?
	  cat out
	done
	END
  expect_output <<-END
	a: 3 b: 1
	0
	ready
	grandchild gone
	all gone
	a: 0 b: 4
	0
	ready
	grandchild gone
	all gone
	END
}

@test "a stopped process, one that waits for a child of vfork, one that is moved while it sleeps" {
  cat >vforks.c <<-'END'
	#include <stdio.h>
	#include <sys/wait.h>
	#include <unistd.h>
	int main(void) {
	  const pid_t child = vfork();
	  if (child == 0) {
	    if (write(1, "ready\n", 6) != 6) _exit(1);
	    char c;
	    _exit(read(0, &c, 1) == 1 ? 5 : 6);
	  }
	  int status = 0;
	  const pid_t waited = waitpid(child, &status, 0);
	  printf("%s %d\n", waited == child && getpid() != child ? "its child" : "another", status >> 8);
	  return 0;
	}
	END
  cc -o vforks vforks.c
  run -0 moving <<-'END'
	sleep 1020 & sleeper=$!
	kill -STOP $sleeper
	until grep -q '^State:.T' /proc/$sleeper/status; do sleep 0.02; done
	move $sleeper --ns $inode_b >/dev/null
	grep -o '^State:.T' /proc/$sleeper/status
	kill -CONT $sleeper
	until grep -q '^State:.S' /proc/$sleeper/status; do sleep 0.02; done
	kill $sleeper; wait $sleeper; echo $?
	mkfifo in; exec 5<>in
	./vforks <in >out & vforks=$!
	until_there out ready
	move $vforks --ns $inode_b >/dev/null
	echo >&5; wait $vforks; cat out
	sleep 0.5 & sleeper=$!
	move $sleeper --ns $inode_a >/dev/null; move $sleeper --ns $inode_0 >/dev/null; move $sleeper --ns $inode_b >/dev/null
	wait $sleeper; echo $?
	END
  expect_output <<-END
	State:	T
	143
	ready
	its child 5
	0
	END
}

@test "what cannot be moved" {
  run -0 moving <<-'END'
	for init in 1 $a $b; do move $init --ns $inode_a 2>/dev/null || echo init $?; done
	move 99999 --ns $inode_a 2>/dev/null || echo nobody $?
	sleep 1030 & sleeper=$!
	move $sleeper --ns 77 2>/dev/null || echo nowhere $?
	kill -KILL $b; while [ -e /proc/$b ]; do sleep 0.02; done
	move $sleeper --ns $inode_b 2>/dev/null || echo gone $?
	kill $sleeper
	END
  expect_output <<-END
	init 125
	init 125
	init 125
	nobody 125
	nowhere 125
	gone 125
	END
}

@test "moved at random while it forks" {
  LIMIT=120 run -0 moving <<-'END'
	cat >storm.sh <<-'SHELL'
		while :; do
		  /bin/true & (/bin/true; : | cat) & sh -c '/bin/true & wait' &
		  wait
		  n=$((n + 1)); echo $n >progress.$1
		done
	SHELL
	for i in 1 2 3; do in_a bash storm.sh $i 2>>noise & done
	until [ -s progress.1 ] && [ -s progress.2 ] && [ -s progress.3 ]; do sleep 0.02; done
	targets=($inode_a $inode_b $inode_0)
	moves=0
	for i in $(seq 150); do
	  # Those of some moment: pgrep looks at each, and at whatever comes meanwhile, as long as more comes.
	  all=()
	  for process in $(printf '%s\n' /proc/[0-9]* | shuf -n 30); do
	    grep -qs storm.sh $process/cmdline && all+=(${process#/proc/})
	  done
	  how=; [ $((RANDOM % 2)) = 0 ] && how=--children
	  for process in "${all[@]}"; do
	    move $process --ns ${targets[RANDOM % 3]} $how >/dev/null 2>&1 && moves=$((moves + 1))
	  done
	done
	[ $moves -ge 150 ] && echo moved
	# It goes on, wherever it is now.
	for i in 1 2 3; do
	  before=$(cat progress.$i)
	  until [ "$(cat progress.$i)" != "$before" ]; do sleep 0.05; done
	done
	echo goes on
	END
  [ "${lines[-2]} ${lines[-1]}" = "moved goes on" ]
}
