#!/usr/bin/env bats
# What a libc makes processes and threads with, in glibc and musl, linked dynamically and statically,
# and programs that are strict about their own calls.

load helper

# For each libc and each way of linking: the program of programs/$1.c as ./$1, then the function $2.
with_every_libc() {
  local way
  need musl-gcc
  # musl's own headers come first; the kernel's are where Debian has them.
  local musl="musl-gcc -idirafter /usr/include -idirafter /usr/include/$(cc -print-multiarch)"
  for way in "cc" "cc -static" "$musl" "$musl -static"; do
    echo "# $way" >&2
    $way -O1 -Wall -pthread -o "./$1" "$PROGRAMS/$1.c"
    "$2"
  done
}

whole_program() {
  run -11 guest ./libcalls
  expect_output <<-END
	pid 1 ppid 0
	posix_spawn
	system popen
	vfork from threads 60
	threads 200
	timers
	signals
	daemon
	END
}

@test "posix_spawn, system, popen, vfork from threads, timers, daemon" {
  need ps
  with_every_libc libcalls whole_program
}

io_pool() {
  run -14 guest ./io_pool
  expect_output <<-END
	wrong 0
	files 960
	children 96
	numbers 240
	passed on 1
	signals 1
	END
  [ -z "$(ls -A | grep -vx io_pool)" ]
}

@test "a pool of threads that do files, pipes, /proc and children while signals come" {
  with_every_libc io_pool io_pool
}

own_filter() {
  run -13 guest ./own_filter
  [ "${lines[*]:0:4}" = "errno processes trap kill" ]
  [[ ${lines[4]} =~ ^after\ exec:\ pid\ [0-9]+\ ppid\ 1$ ]]
  [ "${#lines[@]}" -eq 5 ]
}

@test "a program with seccomp filters of its own: ERRNO, TRAP, KILL, for all threads, after exec" {
  with_every_libc own_filter own_filter
}

beside_others() {
  run -0 guest sh -c './libcalls sh -c "echo \$\$ \$PPID; exit 4" >one & ./libcalls >two; echo $?; wait $!; echo $?'
  expect_output <<-END
	11
	4
	END
  head -n 1 one | grep -qx 'pid 2 ppid 1'
  tail -n 1 one | grep -qx '2 1'
  head -n 1 two | grep -qx 'pid [0-9]* ppid 1'
  ! grep wrong one two
}

@test "the same, twice at a time, as children of a shell" {
  with_every_libc libcalls beside_others
}
