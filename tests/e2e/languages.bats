#!/usr/bin/env bats
# Runtimes that bring their own ways of making threads and processes: Go without a libc, virtual
# machines that compile as they run, a browser, an emulator.

load helper

# Go's own tools, kept from the network and from the home directory.
go_environment() {
  export CGO_ENABLED=0 GOCACHE=$WORK/cache GOPATH=$WORK/go GO111MODULE=off GOTOOLCHAIN=local GOPROXY=off GOFLAGS=
}

@test "go: the compiler, and a static program with threads, subprocesses and signals" {
  need go ps file
  go_environment
  LIMIT=180 run -0 guest go build -o family "$PROGRAMS/family.go"
  file family | grep -q 'statically linked'
  run -7 guest ./family
  expect_output <<-END
	pid 1 ppid 0
	family 2
	threads 16
	collected
	wrong subprocesses 0
	got user defined signal 1
	got user defined signal 1 0
	victim leads its group true child of 1
	victim: signal: terminated
	gone true no such process
	END
  # As a child of a shell, and replaced by another program at its end.
  run -0 guest sh -c './family /bin/sh -c "echo \$\$ \$PPID; exit 3"; echo "status $?"'
  [ "${lines[0]}" = "pid 2 ppid 1" ]
  [ "${lines[1]}" = "family 3" ]
  [ "${lines[-2]}" = "2 1" ]
  [ "${lines[-1]}" = "status 3" ]
}

@test "java: threads, subprocesses, process handles" {
  need java ps
  LIMIT=120 run -9 guest java -XX:-UsePerfData "$PROGRAMS/Family.java"
  expect_output <<-END
	pid 1 parent false
	compiled 199999920000000
	threads 32
	subprocesses 40 true
	as ps sees it true
	children true
	descendants true
	parent true
	killed true 0
	terminated true 143
	END
}

@test "java: ended by a signal, its hooks run" {
  need java
  LIMIT=120 run -143 guest java -XX:-UsePerfData "$PROGRAMS/Family.java" TERM
  [ "$output" = hook ]
  LIMIT=120 run -0 guest sh -c "java -XX:-UsePerfData '$PROGRAMS/Family.java' INT; echo \"status \$?\""
  expect_output <<-END
	hook
	status 130
	END
}

@test "java: jcmd finds a virtual machine by its number, and its threads' numbers" {
  need java jcmd
  mkfifo hold ready
  cat >attach.sh <<-'END'
	java -XX:-UsePerfData "$1" serve <hold >ready & vm=$!
	exec 3>hold
	read -r line <ready
	echo "$line, number $vm"
	jcmd -J-XX:-UsePerfData "$vm" Thread.print >threads || echo "jcmd $?"
	nid=$(sed -n 's/^"attendant".* nid=\(0x[0-9a-f]*\|[0-9]*\) .*/\1/p' threads)
	test -n "$nid" && test -d "/proc/$vm/task/$((nid))" && echo "a thread of it"
	exec 3>&-
	wait "$vm"; echo "status $?"
	END
  LIMIT=120 run -0 guest bash attach.sh "$PROGRAMS/Family.java"
  expect_output <<-END
	ready, number 2
	a thread of it
	status 0
	END
}

@test "node: compiled code in workers, subprocesses, a cluster, signals" {
  need node ps
  LIMIT=120 run -8 guest node "$PROGRAMS/family.js"
  expect_output <<-END
	pid 1 ppid 0
	workers true
	threads 4 true
	exits true
	cluster true,true,true SIGTERM,SIGTERM,SIGTERM
	SIGUSR2 12
	wasm 42
	detached true
	SIGKILL false
	END
}

page() {
  cat >page.html <<-'END'
	<!doctype html><title>page</title><p id="sum">nothing yet</p>
	<script>
	  let sum = 0;
	  for (let i = 0; i < 1000000; i++) sum += i % 7;
	  document.getElementById("sum").textContent = "sum " + sum;
	</script>
	END
}

@test "chromium: the DOM of a local page, after its script has run" {
  need chromium
  page
  local flags=(--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update --disable-dev-shm-usage)
  LIMIT=120 run -0 --separate-stderr guest chromium "${flags[@]}" --user-data-dir="$WORK/first" \
    --dump-dom "file://$WORK/page.html"
  [[ $output == *'<p id="sum">sum 2999997</p>'* ]]
  # Not as the init: what it leaves goes to the shell, and dies with it.
  LIMIT=120 run -0 --separate-stderr guest sh -c '"$@"; echo "status $?"' sh \
    chromium "${flags[@]}" --user-data-dir="$WORK/second" --dump-dom "file://$WORK/page.html"
  [[ $output == *'<p id="sum">sum 2999997</p>'*"status 0" ]]
}

@test "chromium: the processes that it knows are those that ps sees" {
  need chromium ps
  page
  # Without the zygote, whose children the browser knows by SCM_CREDENTIALS alone (docs/compat.md).
  LIMIT=120 run -0 --separate-stderr guest /usr/bin/python3 "$PROGRAMS/chromium.py" \
    "file://$WORK/page.html" "$WORK/profile" --no-zygote
  expect_output <<-END
	sum 2999997
	strange []
	browser [True]
	renderers True
	parents True
	ended 0
	END
}

@test "qemu-user: static programs under emulation" {
  need qemu-x86_64 musl-gcc go
  compile static -static
  musl-gcc -static -O1 -Wall -o musl "$PROGRAMS/static.c"
  local program
  for program in ./static ./musl; do
    run -0 guest sh -c "qemu-x86_64 $program; echo \"status \$?\""
    # The emulator has a thread of its own.
    expect_output <<-END
	pid 2 ppid 1
	child 4 of 2
	child 4 exited 5
	status 0
	END
  done
  musl-gcc -static -O1 -Wall -pthread -o io_pool "$PROGRAMS/io_pool.c"
  LIMIT=120 run -14 guest qemu-x86_64 ./io_pool
  expect_output <<-END
	wrong 0
	files 960
	children 96
	numbers 240
	passed on 1
	signals 1
	END
}
