#!/usr/bin/env bats
# What the controllers pids, freezer, cpuset, prio, rlimit and devices do to real programs.

load containers

# All of them start in the group /g.
detached() { start_container --group /g "$@"; }

# A program in a group with settings: options of `warren run`, --, the program.
in_group() { warren run --group /g "$@"; }
# The host's numbers of the container's tasks, oldest first.
tasks() { "$WARREN" ps "$name" --json | jq '.[0].tasks[].nrs[0]'; }
processors() { awk '$1 == "Cpus_allowed_list:" { print $2 }' "/proc/$1/status"; }

@test "pids: threads count, and the limit of a group above does" {
  run -0 warren run --group /a --set pids.max=4 -- sh -c '
    "$WARREN" group create /a/b && "$WARREN" group move /a/b $$
    exec python3 -c "
import threading
threads = [threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(9)]
try:
    for started, thread in enumerate(threads):
        thread.start()
except RuntimeError:
    print(\"started\", started)
print(open(\"/proc/self/status\").read().split(\"Threads:\")[1].split()[0])
"'
  [ "${lines[0]}" = "started 3" ]
  [ "${lines[1]}" = 4 ]
}

@test "freezer: a group that forks all the time stands still, and goes on where it was" {
  detached -- sh -c 'n=0; while :; do /bin/true; n=$((n + 1)); echo $n >count; done'
  eventually 20 test -s count
  run -0 warren freeze "$name" /g
  [ "$(file /g freezer.state)" = FROZEN ]
  local before after
  before=$(cat count)  # may be empty, between truncation and writing
  after=$(tasks)
  read -r -t 0.5 <> <(:) || true
  [ "$(cat count)" = "$before" ]
  [ "$(tasks)" = "$after" ]
  run -0 warren thaw "$name" /g
  goes_on() { [ "$(cat count)" -gt "${before:-0}" ]; } 2>/dev/null
  eventually 20 goes_on
  end
}

@test "freezer: who comes into a frozen group stops, who leaves it goes on" {
  detached -- sh -c '(while :; do :; done) & exec sleep 1000'
  warren group create "$name" /h
  local spinner
  eventually 10 eval '[ "$(tasks | wc -l)" -eq 2 ]'
  spinner=$(tasks | tail -n 1)
  ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$spinner/stat"; }
  stands() {
    local before
    before=$(ticks)
    read -r -t 0.3 <> <(:) || true
    [ "$(ticks)" = "$before" ]
  }
  warren freeze "$name" /h
  run ! stands
  warren group move "$name" /h "$spinner"
  frozen() { [ "$(file /h freezer.state)" = FROZEN ]; }
  eventually 10 frozen
  stands
  warren group move "$name" /g "$spinner"
  run ! stands
  [ "$(file /h freezer.state)" = FROZEN ]
  end
}

@test "cpuset: programs see and keep to the group's processors" {
  run -0 in_group --set cpuset.cpus=0 -- python3 -u -c '
import os
print(os.sched_getaffinity(0), len(os.sched_getaffinity(0)))
os.sched_setaffinity(0, range(os.cpu_count()))
print(os.sched_getaffinity(0))
os.system("nproc")
try:
    os.sched_setaffinity(0, [1])
except OSError as error:
    print(error.errno)
'
  expect_output <<'.'
{0} 1
{0}
1
22
.
}

@test "cpuset: running programs follow the list" {
  [ "$(nproc)" -ge 2 ] || skip "one processor only"
  detached -- sh -c 'sleep 1000 & exec sleep 1000'
  eventually 10 eval '[ "$(tasks | wc -l)" -eq 2 ]'
  run -0 warren group set "$name" /g cpuset.cpus=1
  for pid in $(tasks); do [ "$(processors "$pid")" = 1 ]; done
  run -0 warren group set "$name" /g cpuset.cpus=0
  for pid in $(tasks); do [ "$(processors "$pid")" = 0 ]; done
  warren group move "$name" / "$(tasks | tail -n 1)"
  [ "$(processors "$(tasks | tail -n 1)")" = "$(processors self)" ]
  run -125 warren group set "$name" /g cpuset.cpus=99999
  [[ "$output" == *"Numerical result out of range"* ]]
  end
}

@test "rlimit: programs start with the group's limits" {
  run -0 in_group --set 'rlimit.nofile=64 128' --set rlimit.core=0 -- sh -c 'ulimit -Sn; ulimit -Hn; ulimit -c'
  expect_output <<'.'
64
128
0
.
  # setrlimit(2): more files than that cannot be open.
  run -0 in_group --set rlimit.nofile=16 -- python3 -c '
import os
try:
    while True: os.dup(0)
except OSError as error:
    print(error.errno)
'
  [ "$output" = 24 ]
}

@test "rlimit: running programs take them on; nobody gets more than its hard limit" {
  detached -- sleep 1000
  local pid
  pid=$(tasks)
  limits() { awk '/^Max open files/ { print $4, $5 }' "/proc/$pid/limits"; }
  run -0 warren group set "$name" /g 'rlimit.nofile=100 200'
  [ "$(limits)" = "100 200" ]
  run -125 warren group set "$name" /g rlimit.nofile=300
  [[ "$output" == *"Operation not permitted"* ]]
  [ "$(file /g rlimit.nofile)" = "100 200" ]
  warren group create "$name" /h --set rlimit.nofile=300
  run -125 warren group move "$name" /h "$pid"
  [[ "$output" == *"Operation not permitted"* ]]
  run -0 warren group procs "$name" /g -q
  [ "$output" = "$pid" ]
  end
}

@test "prio: the group's nice value, downwards only with privilege" {
  run -0 in_group --set prio.nice=5 -- sh -c 'nice; exec nice -n 3 nice'
  expect_output <<'.'
5
8
.
  detached -- sleep 1000
  local pid
  pid=$(tasks)
  run -0 warren group set "$name" /g prio.nice=7
  [ "$(ps -o ni= -p "$pid" | tr -d ' ')" = 7 ]
  if [ "$(ulimit -e)" = 0 ]; then
    run -125 warren group set "$name" /g prio.nice=2
    [[ "$output" == *"Permission denied"* ]]
    [ "$(file /g prio.nice)" = 7 ]
  fi
  end
}

@test "devices: what is denied cannot be opened, by any way" {
  run -0 in_group --set 'devices.deny=c 1:5 rwm' --set 'devices.deny=c 1:3 w' -- sh -c '
    head -c 3 /dev/zero 2>&1
    ln -s /dev/zero link; head -c 3 link 2>&1
    cd /dev; head -c 3 ./../dev/zero 2>&1
    (echo x >/dev/null) 2>&1
    wc -c </dev/null
    head -c 3 /dev/urandom | wc -c'
  [ "$(grep -c 'Operation not permitted' <<<"$output")" -eq 4 ]
  [ "${lines[4]}" = 0 ]
  [ "${lines[5]}" = 3 ]
}

@test "devices: only what is allowed can be opened; changes hold at once" {
  detached --set devices.deny=a --set 'devices.allow=c 1:3 rw' --set 'devices.allow=c 5:0 rw' -- sh -c '
    while :; do
      if [ -e go ]; then rm go; head -c 3 /dev/zero 2>&1 | wc -c >seen.new; mv seen.new seen; fi
      sleep 0.05
    done'
  [ "$(file /g devices.list)" = $'c 1:3 rw\nc 5:0 rw' ]
  asked() { : >go; eventually 20 test -e seen; cat seen; rm seen; }
  [ "$(asked)" -gt 10 ]
  run -0 warren group set "$name" /g 'devices.allow=c 1:5 r'
  [ "$(asked)" -eq 3 ]
  run -0 warren group set "$name" /g 'devices.deny=c 1:5 r'
  [ "$(asked)" -gt 10 ]
  end
}

@test "cpu.stat: what children of children used is counted once" {
  # shellcheck disable=SC2016
  detached -- bash -c '
    echo "n=0; while [ \$n -lt 100000 ]; do n=\$((n + 1)); done" >spin
    for i in 1 2; do bash -c "bash -c \"bash spin; :\"; bash spin; :"; done
    times >raw; tr ms " " <raw >used; touch counted; exec sleep 1000'
  eventually 60 test -e counted
  local told used
  # Processes of this one and its children, as its kernel has it: "M S.FFF M S.FFF" each.
  used=$(awk '{ for (i = 1; i < NF; i += 2) sum += ($i * 60 + $(i + 1)) * 1000 } END { print int(sum) }' used)
  told=$(($(warren group get "$name" / cpu.stat | awk '/usage_usec/ { print $2 }') / 1000))
  echo "told $told ms, used $used ms"
  # A millisecond or two of each process are rounded away; counted twice it would be half as much again.
  [ "$told" -ge $((used * 8 / 10)) ]
  [ "$told" -le $((used * 12 / 10 + 60)) ]
  end
}

@test "cpu.stat: a child that was moved counts in its own group, though its parent waits for it" {
  # shellcheck disable=SC2016
  detached -- bash -c '
    echo "n=0; while [ \$n -lt 200000 ]; do n=\$((n + 1)); done" >spin
    mkfifo go
    bash -c "read line <go; . ./spin; :" &
    touch begun
    wait; touch waited; exec sleep 1000'
  eventually 20 test -e begun
  warren group create "$name" /b
  warren group move "$name" /b "$(tasks | tail -n 1)"
  echo >go
  eventually 60 test -e waited
  local of_b of_all
  of_b=$(warren group get "$name" /b cpu.stat | awk '/usage_usec/ { print $2 }')
  of_all=$(warren group get "$name" / cpu.stat | awk '/usage_usec/ { print $2 }')
  echo "b $of_b us, all $of_all us"
  [ "$of_b" -ge 100000 ]
  # What is below counts in what is above, once.
  [ "$of_all" -ge "$of_b" ]
  [ "$of_all" -le $((of_b + of_b / 2 + 100000)) ]
  end
}
