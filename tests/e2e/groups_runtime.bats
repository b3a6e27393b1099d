#!/usr/bin/env bats
# What task groups do to guests: limits on forks, freezing, processors, names, device nodes.

load containers

at_least() { [ "$(file "$1" "$2")" -ge "$3" ]; }

# Host numbers of the group's processes.
procs() { warren group procs -q "$name" "$1"; }

# The processor time of all of them, in ticks.
ticks() {
  local pid total=0 stat
  for pid in "$@"; do
    stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
    # shellcheck disable=SC2086
    set -- ${stat##*)}
    total=$((total + $12 + $13))
  done
  echo "$total"
}

@test "a fork bomb in a group of 100 gets EAGAIN, and the rest goes on" {
  detached sleep 1000
  warren group create "$name" /bomb --set pids.max=100
  cat >bomb.py <<'EOF'
import errno, os, sys, time
open(sys.argv[1] + "/joined", "w").close()
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.01)
end = time.monotonic() + 3
refused = 0
while time.monotonic() < end:
    try:
        if os.fork() == 0:
            refused = -1
    except OSError as error:
        assert error.errno == errno.EAGAIN, error
        if refused == 0:
            open(sys.argv[1] + "/refused", "w").close()
            refused = 1
        time.sleep(0.001)
time.sleep(1000)
EOF
  warren exec "$name" python3 bomb.py "$WORK" 3>&- &
  eventually 20 test -e joined
  warren group move "$name" /bomb "$(warren ps "$name" --json | jq '.[0].tasks[] | select(.comm == "python3").nrs[0]')"
  touch go
  eventually 20 test -e refused
  # Usable meanwhile, outside the group.
  run -0 warren exec "$name" sh -c 'for i in 1 2 3; do /bin/echo $i; done'
  expect_output <<<$'1\n2\n3'
  file_is /bomb pids.current 100
  [[ "$(file /bomb pids.events)" =~ max\ [1-9] ]]
  warren group kill "$name" /bomb
  eventually 20 file_is /bomb pids.current 0
  end
}

@test "a first program starts within its group's limits" {
  run -0 --separate-stderr warren run --set pids.max=3 --group /jobs/one -- \
    sh -c '(sleep 0.1 & sleep 0.1 & sleep 0.1 & wait); echo status $?'
  [ "$output" = "status 2" ]
  [[ "$stderr" == *"annot fork"* ]]
}

@test "1,000 sleepers freeze in a moment, notice nothing, and go on" {
  detached sh -c 'exec sleep 1000'
  warren group create "$name" /sleepers
  warren exec "$name" sh -c 'i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i + 1)); done; wait' 3>&- &
  sleepers() { "$WARREN" ps "$name" --json | jq -r '.[0].tasks[] | select(.comm == "sleep").nrs[0]' >all && [ "$(wc -l <all)" -eq 1001 ]; }
  eventually 60 sleepers
  # shellcheck disable=SC2046
  warren group move "$name" /sleepers $(tail -n 1000 all)
  eventually 20 at_least /sleepers pids.current 1000
  local begin=${EPOCHREALTIME/./}
  warren freeze "$name" /sleepers
  local took=$(((${EPOCHREALTIME/./} - begin) / 1000))
  echo "# 1,000 processes froze in $took ms" >&3
  [ "$took" -lt 1000 ]
  file_is /sleepers freezer.state FROZEN
  warren thaw "$name" /sleepers
  file_is /sleepers freezer.state THAWED
  [ "$(procs /sleepers | wc -l)" -eq 1000 ]
  end
}

@test "a fork storm freezes entirely and thaws again" {
  detached sleep 1000
  warren group create "$name" /storm --set pids.max=200
  cat >forks.py <<'EOF'
import os, sys, time
open(sys.argv[1] + "/joined", "w").close()
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.01)
def storm():
    while True:
        try:
            pid = os.fork()
        except OSError:
            time.sleep(0.01)
            continue
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
for i in range(3):
    if os.fork() == 0:
        storm()
storm()
EOF
  warren exec "$name" python3 forks.py "$WORK" 3>&- &
  eventually 20 test -e joined
  warren group move "$name" /storm "$(warren ps "$name" --json | jq '.[0].tasks[] | select(.comm == "python3").nrs[0]')"
  touch go
  forks() { file /storm cgroup.stat | awk '$1 == "nr_forks" { print $2 }'; }
  has_forked() { [ "$(forks)" -gt "$1" ]; }
  eventually 20 has_forked 20
  for round in 1 2 3; do
    warren freeze "$name" /storm
    file_is /storm freezer.state FROZEN
    local before after
    before=$(forks)
    # shellcheck disable=SC2046
    set -- $(procs /storm)
    local used
    used=$(ticks "$@")
    read -r -t 0.3 <> <(:) || true
    after=$(forks)
    [ "$before" -eq "$after" ]
    [ "$(ticks "$@")" -eq "$used" ]
    warren thaw "$name" /storm
    eventually 20 has_forked "$after"
  done
  end
}

@test "signals wait while a group is frozen; SIGKILL does not" {
  detached sleep 1000
  warren group create "$name" /f
  warren exec "$name" sh -c 'trap "echo got >'"$WORK"'/got" USR1; touch '"$WORK"'/ready; while :; do sleep 0.05; done' 3>&- &
  eventually 20 test -e ready
  local pid
  pid=$(warren ps "$name" --json | jq '.[0].tasks[] | select(.comm == "sh").nrs[0]')
  warren group move "$name" /f "$pid"
  warren freeze "$name" /f
  kill -USR1 "$pid"
  read -r -t 0.3 <> <(:) || true
  [ ! -e got ]
  warren thaw "$name" /f
  eventually 20 test -e got
  warren freeze "$name" /f
  kill -KILL "$pid"
  eventually 20 gone "$pid"
  end
}

@test "a frozen child is not stopped for its parent, and a wait goes on after the thaw" {
  cat >parent.py <<'EOF'
import os, sys, time
pid = os.fork()
if pid == 0:
    for i in range(3000):
        time.sleep(0.01)
        if os.path.exists(sys.argv[1] + "/end"):
            os._exit(7)
    os._exit(1)
open(sys.argv[1] + "/started", "w").close()
print(os.waitstatus_to_exitcode(os.waitpid(pid, os.WUNTRACED)[1]), file=open(sys.argv[1] + "/status", "w"))
EOF
  detached python3 parent.py "$WORK"
  eventually 20 test -e started
  warren group create "$name" /f
  warren group move "$name" /f "$(warren ps "$name" --json | jq '.[0].tasks[-1].nrs[0]')"
  warren freeze "$name" /f
  touch end
  read -r -t 0.3 <> <(:) || true
  [ ! -s status ]
  # The container's last process ends at once.
  warren thaw "$name" /f || true
  eventually 20 test -s status
  [ "$(cat status)" = 7 ]
  eventually 20 not_listed
}

@test "an end of the container takes frozen groups with it" {
  detached sh -c 'sleep 1000 & sleep 1000 & wait'
  both_sleep() { "$WARREN" ps "$name" --json | jq '.[0].tasks[] | select(.comm == "sleep").nrs[0]' >all && [ "$(wc -l <all)" -eq 2 ]; }
  eventually 20 both_sleep
  warren group create "$name" /f
  # shellcheck disable=SC2046
  warren group move "$name" /f $(cat all)
  warren freeze "$name" /f
  end
}

@test "processors: what guests ask for stays within their group's" {
  [ "$(nproc)" -ge 2 ] || skip "one processor"
  local first last
  first=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
  last=$(taskset -cp $$ | sed 's/.*[-,: ]//')
  run -0 --separate-stderr warren run --set "cpuset.cpus=$last" --group /c -- sh -c "
    taskset -cp \$\$ | sed 's/.*: //'
    taskset -cp $first,$last \$\$ >/dev/null; taskset -cp \$\$ | sed 's/.*: //'
    taskset -c $first true 2>/dev/null || echo refused
    sh -c 'taskset -cp \$\$' | sed 's/.*: //'"
  expect_output <<EOF
$last
$last
refused
$last
EOF
}

@test "names: each group has its own, by its file, by sethostname, and by unshare" {
  run -0 warren run --set uts.nodename=outer --group /u -- sh -c '
    uname -n
    unshare -u sh -c "hostname inner; uname -n; cat /proc/sys/kernel/hostname >/dev/null"
    uname -n'
  expect_output <<<$'outer\ninner\nouter'
  run -0 warren run -- uname -n
  [ "$output" = "$(uname -n)" ]
}

@test "device nodes: a group that denies them gets EPERM, files are not touched" {
  detached sleep 1000
  warren group create "$name" /d --set 'devices.deny=c 1:3 rw'
  echo text >plain
  cat >try.sh <<'EOF'
touch "$1/joined"
while ! test -e "$1/go"; do sleep 0.05; done
(: >/dev/null) 2>"$1/null-error" && echo opened >"$1/null"
(head -c 1 </dev/zero >"$1/zero") 2>"$1/zero-error"
cat "$1/plain" >"$1/copy"
ln -s /dev/null "$1/link"
(: >"$1/link") 2>"$1/link-error" && echo opened >"$1/by-link"
touch "$1/done"
EOF
  warren exec "$name" sh try.sh "$WORK" 3>&- &
  eventually 20 test -e joined
  warren group move "$name" /d "$(warren ps "$name" --json | jq '.[0].tasks[] | select(.comm == "sh").nrs[0]')"
  touch go
  eventually 20 test -e done
  [ ! -e null ] && [ ! -e by-link ]
  grep -q "not permitted" null-error
  [ "$(wc -c <zero)" -eq 1 ]
  [ "$(cat copy)" = text ]
  end
}

@test "processor time of the dead counts" {
  detached sh -c 'sleep 1000'
  warren group create "$name" /a
  warren exec "$name" sh -c 'touch '"$WORK"'/joined; while ! test -e '"$WORK"'/go; do sleep 0.05; done; timeout 1 sh -c "while :; do :; done"; touch '"$WORK"'/done; sleep 1000' 3>&- &
  eventually 20 test -e joined
  warren group move "$name" /a "$(warren ps "$name" --json | jq '.[0].tasks[] | select(.cmdline | test("touch")).nrs[0]' | head -n 1)"
  touch go
  eventually 60 test -e done
  # Most of a second, of a program that has ended; less where the machine is busy.
  [ "$(file /a cpuacct.usage)" -gt 100000000 ]
  end
}
