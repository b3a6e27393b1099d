#!/usr/bin/env bats
# warren run --cgroup=delegate: the kernel's controllers behind warren's groups.
#
# Each test has a cgroup directory of its own, which belongs to the user, below the one that run.sh
# has from root; at its end nothing may be left in there, however the container ended.

load helper

setup_file() { command -v jq >/dev/null || { echo "jq is not installed (scripts/install-deps.sh)" >&2; return 1; }; }

# Where the machine has no such directory, the test is skipped aloud.
need_delegation() {
  [ -n "${WARREN_TEST_CGROUP:-}" ] || skip "no delegated cgroup v2 directory with controllers: run.sh started by root makes one where cgroup v2 has pids"
  D=$WARREN_TEST_CGROUP/t$BATS_TEST_NUMBER-$$-$RANDOM
  mkdir "$D"
}

teardown() {
  local left=0 processes
  processes=$(survivors)
  # shellcheck disable=SC2086
  [ -z "$processes" ] || { echo "left behind on the host:" $processes >&2; kill -KILL $processes; left=1; }
  if [ -n "${D:-}" ] && [ -d "$D" ]; then
    if [ -n "$(directories)" ]; then
      { echo "left behind in $D:"; directories; } >&2
      left=1
    fi
    echo 1 >"$D/cgroup.kill" 2>/dev/null || true
    eventually 10 grep -q 'populated 0' "$D/cgroup.events"
    find "$D" -depth -type d -exec rmdir {} \;
  fi
  return $left
}

directories() { find "$D" -mindepth 1 -type d; }
nothing_left() { [ -z "$(directories)" ] && [ -z "$(survivors)" ]; }

# A command that is alone in $D, as under systemd-run --scope -p Delegate=yes.
# shellcheck disable=SC2016
in_scope() { timeout -k 5 "${LIMIT:-60}" sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$D" "$@" 3>&-; }
delegate() { in_scope "$WARREN" run --cgroup=delegate "$@"; }
warren() { timeout --foreground -k 5 "${LIMIT:-60}" "$WARREN" "$@" 3>&-; }

# A detached container in the group /g: options of `warren run`, --, a program. Its groups' cgroups
# are below $C.
detached() {
  name="d$BATS_TEST_NUMBER-$$"
  C=$D/warren-$name/root
  delegate --detach --name "$name" --group /g "$@" >/dev/null
}
end() {
  warren kill "$name"
  eventually 20 nothing_left
}
get() { warren group get "$name" "$1" "$2"; }
field() { get "$1" "$2" | awk -v name="$3" '$1 == name { print $2 }'; }
at_least() { [ "$(field "$1" "$2" "$3")" -ge "$4" ]; }
info() { warren ps "$name" --json | jq -r ".[0].$1"; }
# The host number of the process whose number in the container is $1.
host() { warren ps "$name" --json | jq -r --argjson nr "$1" '.[0].tasks[] | select(.nrs[1] == $nr) | .nrs[0]'; }
has_process() { grep -qx "$2" "$C$1/warren.tasks/cgroup.procs"; }

@test "delegate: the kernel has the controllers, and says so in ps and doctor" {
  need_delegation
  detached -- sleep 60
  [ "$(info cgroup)" = delegate ]
  [ "$(info 'kernel_controllers | contains(["pids"])')" = true ]
  has_process /g "$(host 1)"
  # It says 1, since nobody can be traced from there.
  run -1 warren exec "$name" -- "$WARREN" doctor
  [[ "$output" == *"in this container the kernel has"*pids* ]]
  end
  run -0 in_scope "$WARREN" doctor
  [[ "$output" == *"'run --cgroup=delegate' gives the kernel"*pids* ]]
}

@test "delegate: pids.max is the kernel's, and a fork past it is EAGAIN" {
  need_delegation
  # shellcheck disable=SC2016
  detached --set pids.max=4 -- perl -e '
    open F, ">", "log"; select F; $| = 1;
    for (1 .. 9) { my $p = fork; if (!defined $p) { print 0 + $!, "\n" } elsif (!$p) { sleep 100; exit } }
    print "done\n"; sleep 100'
  eventually 20 grep -q done log
  [ "$(grep -c '^11$' log)" -eq 6 ]
  [ "$(cat "$C/g/pids.max")" = 4 ]
  [ "$(cat "$C/g/pids.current")" = 4 ]
  [ "$(get /g pids.max)" = 4 ]
  [ "$(get /g pids.current)" = 4 ]
  [ "$(field /g pids.events max)" -eq 6 ]
  [ "$(warren group procs -q "$name" /g | wc -l)" -eq 4 ]
  # Every file that a group is said to have can be read.
  local file
  for file in $(warren group ls "$name" /g | grep -E '^(cpu|cpuset|memory|pids)[.]'); do get /g "$file"; done
  end
}

@test "delegate: threads, vfork and posix_spawn fail past pids.max, too" {
  need_delegation
  need cc
  cat >forks.c <<'C'
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
extern char** environ;
static void* idle(void* arg) { pause(); return arg; }
int main(void) {
  pthread_t thread;
  int made = 0, error;
  while ((error = pthread_create(&thread, 0, idle, 0)) == 0 && made < 50) ++made;
  printf("threads %d %s\n", made, strerrorname_np(error));
  pid_t pid = vfork();
  if (pid == 0) _exit(0);
  printf("vfork %s\n", pid < 0 ? strerrorname_np(errno) : "ok");
  char* argv[] = {"true", 0};
  error = posix_spawnp(&pid, "true", 0, 0, argv, environ);
  printf("spawn %s\n", error ? strerrorname_np(error) : "ok");
  return 0;
}
C
  cc -O1 -Wall -pthread -o forks forks.c
  run -0 delegate --group /g --set pids.max=6 -- ./forks
  expect_output <<'OUT'
threads 5 EAGAIN
vfork EAGAIN
spawn EAGAIN
OUT
  nothing_left
}

@test "delegate: the kernel kills for memory.max" {
  need_delegation
  grep -qw memory "$D/cgroup.controllers" || skip "no memory controller here"
  # shellcheck disable=SC2016
  detached --set memory.max=64M -- sh -c '
    while [ ! -e go ]; do sleep 0.1; done
    perl -e '\''$x = "a" x 300000000; sleep 100'\''; echo $? >status; exec sleep 100'
  [ "$(get /g memory.max)" = 67108864 ]
  [ "$(get /g memory.limit_in_bytes)" = 67108864 ]
  [ ! -e "$C/g/memory.swap.max" ] || echo 0 >"$C/g/memory.swap.max"
  touch go
  eventually 60 test -s status
  [ "$(cat status)" = 137 ]
  at_least /g memory.events oom_kill 1
  [ "$(get /g memory.usage_in_bytes)" -gt 0 ]
  [ "$(get /g memory.peak)" -le 67108864 ]
  end
}

@test "delegate: the kernel throttles for cpu.max" {
  need_delegation
  grep -qw cpu "$D/cgroup.controllers" || skip "no cpu controller here"
  detached --set cpu.max='10000 100000' -- sh -c 'while :; do :; done'
  eventually 30 at_least /g cpu.stat nr_throttled 3
  [ "$(cat "$C/g/cpu.max")" = '10000 100000' ]
  [ "$(get /g cpu.cfs_quota_us)" = 10000 ]
  warren group set "$name" /g cpu.cfs_quota_us=-1
  [ "$(cat "$C/g/cpu.max")" = 'max 100000' ]
  warren group set "$name" /g cpu.shares=2048
  [ "$(get /g cpu.weight)" = 200 ]
  # Not by freezing.
  [ "$(get /g freezer.state)" = THAWED ]
  end
}

@test "delegate: cpuset.cpus is the kernel's" {
  need_delegation
  grep -qw cpuset "$D/cgroup.controllers" || skip "no cpuset controller here"
  detached --set cpuset.cpus=0 -- sleep 60
  [ "$(cat "$C/g/cpuset.cpus")" = 0 ]
  [ "$(get /g cpuset.effective_cpus)" = 0 ]
  grep -q 'Cpus_allowed_list:.0$' "/proc/$(host 1)/status"
  [ "$(get / cpuset.cpus)" = "$(cat "$C/cpuset.cpus.effective")" ]
  end
}

@test "delegate: processes move between groups and the kernel's cgroups alike" {
  need_delegation
  detached -- sh -c 'sleep 100 & sleep 100 & wait'
  warren group create -p "$name" /a/b/c
  local second
  eventually 10 test "$(warren group procs -q "$name" /g | wc -l)" -eq 3
  second=$(host 2)
  warren group move "$name" /a/b/c "$second"
  has_process /a/b/c "$second"
  ! has_process /g "$second"
  # A group with children may have tasks, too.
  warren group move "$name" /a "$second"
  has_process /a "$second"
  # A limit above holds below.
  warren group set "$name" /a pids.max=1
  warren group move "$name" /a/b/c "$second"
  [ "$(cat "$C/a/pids.current")" = 1 ]
  # Back to the root, and what is empty can go.
  warren group move "$name" / "$second"
  has_process / "$second"
  warren group rm -r "$name" /a
  [ ! -e "$C/a" ]
  end
}

@test "delegate: mounted groups are the same; a renamed group keeps its tasks and frees its name" {
  need_delegation
  [ -w /dev/fuse ] && command -v fusermount3 >/dev/null || skip "no FUSE here"
  detached -- sleep 100
  mkdir m n
  warren mount "$name" m
  mkdir m/a m/a/memory.high
  echo 9 >m/a/pids.max
  [ "$(cat "$C/a/pids.max")" = 9 ]
  mv m/g m/h
  mkdir m/g
  echo 7 >m/g/pids.max
  [ "$(cat m/h/pids.max)" = max ]
  [ "$(cat m/h/pids.current)" = 1 ]
  rmdir m/g m/a/memory.high m/a
  [ ! -e "$C/a" ]
  run ! warren mount -o pids "$name" n
  [[ "$output" == *"Device or resource busy"* ]]
  warren umount m
  end
}

@test "delegate: poll(2) on a mounted file tells of the kernel's events" {
  need_delegation
  [ -w /dev/fuse ] && command -v fusermount3 >/dev/null || skip "no FUSE here"
  detached -- perl -e 'select undef, undef, undef, 0.1 until -e "go"; fork; sleep 100'
  mkdir m
  warren mount "$name" m
  python3 -c '
import select, sys
file = open("m/g/pids.events")
print(file.read().split(), file=sys.stderr)
poll = select.poll()
poll.register(file, select.POLLPRI)
open("polls", "w").close()
told = poll.poll(30000)
file.seek(0)
print(len(told), file.read().split()[1] != "0")' >told &
  eventually 20 test -e polls
  echo 1 >m/g/pids.max
  touch go
  wait $!
  echo "told: $(cat told); $(cat m/g/pids.events)"
  [ "$(cat told)" = "1 True" ]
  warren umount m
  end
}

@test "delegate: guests' groups, exec and nested namespaces are in the kernel's cgroups" {
  need_delegation
  # shellcheck disable=SC2016
  detached --set pids.max=50 --init -- sh -c '
    "$WARREN" group create /g/in --set pids.max=20
    "$WARREN" run --group /g/in -- sh -c "echo >ready; sleep 100" & wait'
  eventually 20 test -e ready
  [ "$(cat "$C/g/in/pids.max")" = 20 ]
  eventually 10 grep -q . "$C/g/in/warren.tasks/cgroup.procs"
  warren exec "$name" -- sh -c 'echo $$ >joined; exec sleep 100' &
  eventually 20 test -s joined
  has_process /g "$(host "$(cat joined)")"
  end
  wait
}

@test "delegate: one thread alone is not moved, and what the kernel has is not mounted elsewhere" {
  need_delegation
  detached -- python3 -c '
import threading, time
threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
open("ready", "w").close()
time.sleep(100)'
  eventually 20 test -e ready
  warren group create "$name" /t
  run ! warren group set "$name" /t cgroup.threads="$(host 1)"
  [[ "$output" == *"Operation not supported"* ]]
  run ! warren group set "$name" /t tasks="$(host 1)"
  warren group move "$name" /t "$(host 1)"
  has_process /t "$(host 1)"
  run ! warren group set "$name" /t pids.max=nonsense
  [[ "$output" == *"Invalid argument"* ]]
  end
}

@test "delegate: warren's freezer and cgroup.kill work as ever" {
  need_delegation
  detached -- sh -c 'sleep 100 & wait; exec sleep 100'
  warren freeze "$name" /g
  [ "$(get /g freezer.state)" = FROZEN ]
  warren group create "$name" /k
  warren thaw "$name" /g
  local second
  second=$(host 2)
  warren group move "$name" /k "$second"
  warren group set "$name" /k cgroup.kill=1
  eventually 10 gone "$second"
  warren group rm "$name" /k
  end
}

@test "delegate: nothing is left when the program ends, or does not start" {
  need_delegation
  run -3 delegate --group /g -- sh -c 'exit 3'
  nothing_left
  [ -z "$(cat "$D/cgroup.subtree_control")" ]
  run -137 delegate --init -- sh -c 'kill -KILL $$'
  nothing_left
  touch nothing; chmod +x nothing
  printf '#!/no/such/interpreter\n' >nothing
  run -127 delegate -- ./nothing
  nothing_left
  run -125 delegate --group /g --set pids.max=x -- true
  [[ "$output" == *"--set: pids.max=x"* ]]
  nothing_left
  # Processes that outlive process 1, in groups of their own.
  run -0 delegate -- sh -c '"$WARREN" group create /x; setsid sleep 100 & "$WARREN" group move /x $!; exit 0'
  nothing_left
}

@test "delegate: nothing is left when the supervisor is killed" {
  need_delegation
  detached -- sh -c 'sleep 100 & sleep 100'
  warren group create -p "$name" /a/b
  kill -KILL "$(info supervisor)"
  eventually 20 nothing_left
  [ -z "$(cat "$D/cgroup.subtree_control")" ]
}

@test "delegate: nothing is left when the front is killed" {
  need_delegation
  detached -- sh -c 'sleep 100 & sleep 100'
  warren group create -p "$name" /a/b
  kill -KILL "$(ps -o ppid= -p "$(info supervisor)")"
  eventually 20 nothing_left
  [ -z "$(cat "$D/cgroup.subtree_control")" ]
}

@test "delegate: who else is in the directory, and one without controllers, are told about" {
  need_delegation
  # shellcheck disable=SC2016
  run -125 in_scope sh -c '"$WARREN" run --cgroup=delegate -- true; exit $?'
  [[ "$output" == "warren: run: --cgroup: $D: Device or resource busy (another process is in it); "*"systemd-run --user --scope -p Delegate=yes"* ]]
  [ "${#lines[@]}" -eq 1 ]
  mkdir "$D/none"
  # shellcheck disable=SC2016
  run -125 sh -c 'echo $$ >"$0/cgroup.procs" && exec "$WARREN" run --cgroup=delegate -- true' "$D/none"
  [[ "$output" == *"it has none of cpu, cpuset, memory and pids"* ]]
  rmdir "$D/none"
}

@test "delegate: where nothing is delegated, that is said in one line" {
  [ -z "${WARREN_TEST_CGROUP:-}" ] || skip "a directory is delegated here"
  run -125 "$WARREN" run --cgroup=delegate -- true
  [[ "$output" == "warren: run: --cgroup: "*"; "*"--cgroup=warren" ]]
  [ "${#lines[@]}" -eq 1 ]
}

@test "--cgroup: bad values, and delegate inside a container" {
  run -125 "$WARREN" run --cgroup=kernel -- true
  [ "$output" = "warren: run: --cgroup: kernel: Invalid argument; give warren or delegate" ]
  # shellcheck disable=SC2016
  run -125 guest sh -c '"$WARREN" run --cgroup=delegate -- true'
  [[ "$output" == *"--cgroup: delegate: Operation not supported; this runs inside a container"* ]]
  run -0 "$WARREN" run --cgroup=warren -- true
  [ -z "$output" ]
}
