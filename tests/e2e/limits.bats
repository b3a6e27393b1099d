#!/usr/bin/env bats
# What the controllers cpu, cpuacct, memory and pid do to real programs.

load containers

# All of them start in the group /g.
detached() { start_container --group /g "$@"; }

# A number in a file of "NAME NUMBER" lines.
field() { file "$1" "$2" | awk -v name="$3" '$1 == name { print $2 }'; }
field_is() { [ "$(field "$1" "$2" "$3")" = "$4" ]; }
# The processor time that /g has used, in milliseconds.
used() { echo $(($(file /g cpuacct.usage) / 1000000)); }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
throttled_at_least() { [ "$(field /g cpu.stat nr_throttled)" -ge "$1" ]; }
spinners() {
  # shellcheck disable=SC2016
  echo 'for i in $(seq '"$1"'); do while :; do :; done & done; wait'
}

# After some time of throttling, the share of one processor that /g gets in 4 s is at most so many
# per cent. (It may be less: other tests run, too.)
share_is_at_most() {
  local used_before from used_after to
  eventually 30 throttled_at_least 2
  from=$(milliseconds)
  used_before=$(used)
  sleep 4
  used_after=$(used)
  to=$(milliseconds)
  echo "$((used_after - used_before)) ms of $((to - from)) ms"
  [ $(((used_after - used_before) * 100)) -le $(((to - from) * $1)) ]
}

@test "cpu.max: one spinning program keeps to its quota" {
  detached --set 'cpu.max=10000 100000' -- sh -c "$(spinners 1)"
  share_is_at_most 12
  end
}

@test "cpu.max: many spinning programs keep to one quota" {
  detached --set 'cpu.max=20000 100000' -- sh -c "$(spinners 8)"
  share_is_at_most 23
  end
}

@test "cpu.max: short-lived programs are counted" {
  detached --set 'cpu.max=20000 100000' -- sh -c 'while :; do /bin/true; done'
  share_is_at_most 24
  end
}

@test "cpu.max: the limit of a group above holds, and ends when it is lifted" {
  detached -- sh -c "$(spinners 2)"
  warren group create "$name" /g/inner
  for pid in $(warren group procs -q "$name" /g); do warren group move "$name" /g/inner "$pid"; done
  warren group set "$name" /g 'cpu.max=10000 100000'
  share_is_at_most 12
  warren group set "$name" /g cpu.max=max
  local before
  before=$(used)
  sleep 2
  # More than the quota would have been.
  [ $(($(used) - before)) -gt 220 ]
  end
}

@test "cpu.max: a frozen group stays frozen while its periods pass" {
  detached --set 'cpu.max=10000 100000' -- sh -c "$(spinners 1)"
  eventually 30 throttled_at_least 2
  warren freeze "$name" /g
  local before
  before=$(used)
  sleep 1
  [ "$(used)" = "$before" ]
  warren thaw "$name" /g
  more() { [ "$(used)" -gt "$before" ]; }
  eventually 20 more
  end
}

@test "cpu.max: a throttled program dies at once" {
  detached --set 'cpu.max=1000 1000000' -- sh -c "$(spinners 3)"
  eventually 30 throttled_at_least 1
  end
}

@test "cpu.weight: a group of less weight has larger nice values" {
  detached --set cpu.weight=10 -- sleep 100
  nices() { [ "$("$WARREN" group procs -q "$name" /g | xargs -n1 ps -o ni= -p | tr -d ' ' | sort -u)" = 10 ]; }
  eventually 10 nices
  end
}

@test "cpuacct: the dead count" {
  # shellcheck disable=SC2016
  detached -- sh -c 'i=0; while [ $i -lt 20 ]; do sh -c "j=0; while [ \$j -lt 20000 ]; do j=\$((j+1)); done"; i=$((i+1)); done; echo done >done; sleep 100'
  eventually 60 test -s done
  # The two that are left have done nothing.
  [ "$(used)" -gt 50 ]
  end
}

@test "memory.max: the largest program dies, and the event is counted" {
  detached --set memory.max=100M -- sh -c '
    sleep 1000 &
    python3 -c "
import time
data = []
while True:
    data.append(b\"x\" * (1 << 20))
    time.sleep(0.002)
" & wait $!; echo "$?" >status; sleep 1000'
  eventually 40 test -s status
  [ "$(cat status)" = 137 ]
  field_is /g memory.events oom_kill 1
  [ "$(field /g memory.events max)" = 1 ]
  [ "$(file /g memory.peak)" -gt 100000000 ]
  [ "$(file /g memory.peak)" -lt 200000000 ]
  [ "$(file /g memory.current)" -lt 50000000 ]
  [ "$(warren group procs -q "$name" /g | wc -l)" -ge 2 ]
  end
}

@test "memory.max: what a forked family shares counts once" {
  detached --set memory.max=300M -- python3 -c '
import os, time
data = bytearray(os.urandom(1 << 20)) * 120
for i in range(5):
    if os.fork() == 0:
        break
open(f"at.{os.getpid()}", "w").write("x")
time.sleep(1000)'
  forked() { [ "$(find . -name 'at.*' | wc -l)" = 6 ]; }
  eventually 30 forked
  sleep 1
  field_is /g memory.events oom_kill 0
  [ "$(file /g memory.current)" -lt 300000000 ]
  [ "$(file /g memory.current)" -gt 120000000 ]
  end
}

@test "memory.oom.group: all of the group die together" {
  mkfifo go
  detached -- sh -c '(
    read -r _ <go
    sleep 1000 & sleep 1000 &
    exec python3 -c "data = b\"x\" * (200 << 20); import time; time.sleep(1000)") &
  echo started >started; wait $!; echo "$?" >status; sleep 1000'
  eventually 20 test -s started
  warren group create "$name" /g/family
  warren group set "$name" /g/family memory.max=100M memory.oom.group=1
  warren group move "$name" /g/family "$(warren group procs -q "$name" /g | tail -n1)"
  echo >go
  eventually 40 test -s status
  [ "$(cat status)" = 137 ]
  eventually 20 field_is /g/family memory.events oom_kill 3
  [ "$(field /g/family memory.events oom_group_kill)" = 1 ]
  [ "$(warren group procs -q "$name" /g | wc -l)" = 2 ]
  end
}
