#!/usr/bin/env bats
# Real programs, each doing what needs processes, signals or threads.

load helper

@test "make -j2 builds a C project of 50 files" {
  need make cc
  local i
  for i in $(seq 50); do
    echo "int f$i(int x) { return x + $i; }" >"f$i.c"
    echo "int f$i(int x);" >>all.h
  done
  {
    echo '#include <stdio.h>'
    echo '#include "all.h"'
    echo 'int main(void) { int x = 0;'
    for i in $(seq 50); do echo "x = f$i(x);"; done
    echo 'printf("%d\n", x); return 0; }'
  } >main.c
  printf 'objects := $(patsubst %%.c,%%.o,$(wildcard *.c))\nprogram: $(objects)\n\tcc -o $@ $^\n%%.o: %%.c\n\tcc -c -o $@ $<\n' >Makefile
  LIMIT=120 run -0 guest make -s -j2
  run -0 ./program
  [ "$output" = 1275 ]
  [ "$(find . -name '*.o' | wc -l)" -eq 51 ]
  run -0 guest make -j2
  [[ $output == *"up to date"* ]]
}

@test "make passes on failure, and ends its jobs at a signal" {
  printf 'all: a b\na:\n\tsleep 1000\nb:\n\tfalse\n' >Makefile
  printf 'broken:\n\texit 3\n' >broken.mk
  run -2 guest make -f broken.mk
  [[ $output == *"Error 3"* ]]
}

@test "python: multiprocessing by fork, spawn and forkserver" {
  cat >pool.py <<-END
	import multiprocessing, os
	def square(x): return x * x
	def number(q): q.put((os.getpid(), os.getppid()))
	if __name__ == "__main__":
	    for method in ("fork", "spawn", "forkserver"):
	        context = multiprocessing.get_context(method)
	        with context.Pool(3) as pool:
	            print(method, sum(pool.map(square, range(100))), flush=True)
	        queue = context.Queue()
	        process = context.Process(target=number, args=(queue,))
	        process.start()
	        pid, ppid = queue.get()
	        process.join()
	        print(pid == process.pid, process.exitcode, ppid == 1 or method == "forkserver", flush=True)
	    lock, value = multiprocessing.Lock(), multiprocessing.Value("i", 0)
	    def add():
	        for _ in range(200):
	            with lock: value.value += 1
	    workers = [multiprocessing.get_context("fork").Process(target=add) for _ in range(4)]
	    for w in workers: w.start()
	    for w in workers: w.join()
	    print(value.value)
	    victim = multiprocessing.get_context("fork").Process(target=__import__("time").sleep, args=(1000,))
	    victim.start(); victim.terminate(); victim.join(); print(victim.exitcode)
	END
  LIMIT=120 run -0 guest /usr/bin/python3 pool.py
  expect_output <<-END
	fork 328350
	True 0 True
	spawn 328350
	True 0 True
	forkserver 328350
	True 0 True
	800
	-15
	END
}

@test "python: subprocess and threading" {
  cat >sub.py <<-END
	import os, signal, subprocess, sys, threading
	print(os.getpid(), os.getppid(), threading.get_native_id())
	print(subprocess.run(["sh", "-c", "echo \$PPID; exit 6"], capture_output=True, text=True))
	p = subprocess.Popen(["sleep", "1000"], start_new_session=True)
	print(os.getsid(p.pid) == p.pid, os.getpgid(p.pid) == p.pid)
	os.killpg(p.pid, signal.SIGTERM)
	print(p.wait())
	try: subprocess.run(["sleep", "1000"], timeout=0.2)
	except subprocess.TimeoutExpired: print("timeout")
	try: subprocess.run(["/nonexistent"])
	except FileNotFoundError as e: print(e.strerror)
	print(subprocess.check_output("echo a | tr a b; echo \$(echo c)", shell=True, text=True).split())
	results = []
	def work(i): results.append((i, int(subprocess.check_output(["sh", "-c", "echo \$PPID"]))))
	threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
	[t.start() for t in threads]; [t.join() for t in threads]
	print(sorted(results) == [(i, 1) for i in range(8)])
	ids = set()
	barrier = threading.Barrier(20)
	def mine(): ids.add(threading.get_native_id()); barrier.wait()
	threads = [threading.Thread(target=mine) for _ in range(20)]
	[t.start() for t in threads]; [t.join() for t in threads]
	print(len(ids))
	END
  run -0 guest /usr/bin/python3 sub.py
  expect_output <<-END
	1 0 1
	CompletedProcess(args=['sh', '-c', 'echo \$PPID; exit 6'], returncode=6, stdout='1\n', stderr='')
	True True
	-15
	timeout
	No such file or directory
	['b', 'c']
	True
	20
	END
}

@test "a static C program" {
  compile static -static
  run -0 guest ./static
  expect_output <<-END
	pid 1 ppid 0
	child 2 of 1
	child 2 exited 5
	END
}

@test "busybox, linked statically" {
  need busybox
  file -L "$(command -v busybox)" | grep -q 'statically linked'
  run -0 guest busybox sh -c 'echo $$; busybox seq 3 | busybox sort -r | busybox tr "\n" " "; echo; busybox ps -o pid,comm | busybox grep -c .; busybox sh -c "exit 3"; echo $?; busybox pidof busybox >/dev/null && echo found'
  expect_output <<-END
	1
	3 2 1 
	4
	3
	found
	END
}

@test "perl: fork, waitpid, pipes, signals, system" {
  cat >p.pl <<-'END'
	use strict; use POSIX ":sys_wait_h"; $| = 1;
	print "$$ ", getppid(), "\n";
	my %want;
	for my $i (1 .. 5) { my $pid = fork; exit $i if !$pid; $want{$pid} = $i; }
	my $right = 0;
	while ((my $pid = wait) > 0) { $right++ if $want{$pid} == $? >> 8; }
	print "$right\n";
	print "system ", system("exit 3;") >> 8, "\n";
	print "backticks ", `echo \$PPID`;
	open(my $in, "-|", "seq 3") or die; print map { chomp; "<$_>" } <$in>; close $in; print " $?\n";
	local $SIG{USR1} = sub { print "USR1\n" };
	kill "USR1", $$;
	my $pid = fork; if (!$pid) { sleep 1000 } kill "TERM", $pid; waitpid $pid, 0; print $? & 127, "\n";
	print waitpid(-1, WNOHANG), "\n";
	END
  run -0 guest perl p.pl
  expect_output <<-END
	1 0
	5
	system 3
	backticks 1
	<1><2><3> 0
	USR1
	15
	-1
	END
}

@test "node: child_process and worker_threads" {
  need node
  cat >n.js <<-'END'
	const { spawnSync, spawn, fork, execFile } = require("child_process");
	const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
	if (process.argv[2] === "forked") {
	  process.on("message", (m) => { process.send({ pid: process.pid, ppid: process.ppid, m }); process.disconnect(); });
	} else if (!isMainThread) {
	  parentPort.postMessage(workerData * 2);
	} else {
	  (async () => {
	    console.log(process.pid, process.ppid);
	    const r = spawnSync("sh", ["-c", "echo $PPID; exit 4"]);
	    console.log(String(r.stdout).trim(), r.status);
	    const f = fork(__filename, ["forked"]);
	    await new Promise((done) => { f.on("message", (m) => console.log(m.pid === f.pid, m.ppid, m.m)); f.on("exit", done); f.send("hello"); });
	    const s = spawn("sleep", ["1000"]);
	    await new Promise((done) => { s.on("exit", (c, sig) => { console.log(c, sig); done(); }); s.kill("SIGTERM"); });
	    const all = await Promise.all([1, 2, 3, 4].map((n) => new Promise((done, no) => {
	      const w = new Worker(__filename, { workerData: n }); w.on("message", done); w.on("error", no); })));
	    console.log(all.join());
	    console.log(await new Promise((done) => execFile("echo", ["async"], (e, out) => done(out.trim()))));
	  })();
	}
	END
  run -0 guest node n.js
  expect_output <<-END
	1 0
	1 4
	true 1 hello
	null SIGTERM
	2,4,6,8
	async
	END
}

@test "git: commit, clone of a local repository, gc" {
  need git
  export GIT_CONFIG_GLOBAL=$WORK/gitconfig GIT_AUTHOR_DATE="2020-01-01T00:00:00Z" GIT_COMMITTER_DATE="2020-01-01T00:00:00Z"
  git config --global user.name e2e
  git config --global user.email e2e@localhost
  git config --global init.defaultBranch main
  run -0 guest bash -c '
    set -e
    git init -q origin; cd origin
    for i in $(seq 20); do echo $i >f$i; git add f$i; git commit -qm "file $i"; done
    cd ..
    git clone -q "file://$PWD/origin" copy
    git clone -q --depth 3 "file://$PWD/origin" shallow
    git -C copy log --oneline | wc -l
    git -C shallow log --oneline | wc -l
    git -C copy gc -q
    git -C copy fsck 2>&1 | grep -c error || true
    diff -r -x .git origin copy && echo same'
  expect_output <<-END
	20
	3
	0
	same
	END
}
