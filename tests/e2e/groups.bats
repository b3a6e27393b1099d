#!/usr/bin/env bats
# Task groups by the commands: group, freeze, thaw, move, run --group; on the host and inside.

load containers

# One line on standard error that begins with "warren: " and contains $1.
expect_error() {
  [ "${#stderr_lines[@]}" -eq 1 ] || { echo "not one line: $stderr" >&2; return 1; }
  [[ "$stderr" == "warren: "*"$1"* ]] || { echo "got: $stderr" >&2; return 1; }
}

group() { warren group "$@"; }
# The host's number of the container's process whose command line is "$1".
pid_of() { "$WARREN" ps "$name" --json | jq --arg line "$1" '.[0].tasks[] | select(.cmdline == $line).nrs[0]'; }
# Processor time of a process, in ticks.
ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

@test "groups are made, listed and removed" {
  detached sleep 1000
  run -0 --separate-stderr group create "$name" /a b/ '/with space' "/täg"
  [ -z "$output$stderr" ]
  run -0 group ls "$name"
  grep -qx 'a/' <<<"$output" && grep -qx 'b/' <<<"$output"
  grep -qx 'with space/' <<<"$output" && grep -qx 'täg/' <<<"$output"
  grep -qx 'cgroup.procs' <<<"$output"
  run -0 group create "$name" -p /a/b/c --set pids.max=7
  file_is /a/b/c pids.max 7
  file_is /a/b pids.max max
  run -0 group create "$name" -p /a/b/c --set pids.max=8
  file_is /a/b/c pids.max 8
  run -0 group create "$name" -m 700 /private
  [[ "$(group ls "$name" -l)" =~ (^|$'\n')0700\ .*\ private/($|$'\n') ]]
  # The inner one first.
  run -125 --separate-stderr group rm "$name" /a
  expect_error "group rm: $name:/a: Device or resource busy; "
  run -0 group rm "$name" /a/b/c /a/b
  run -0 group create "$name" -p /a/x/y /a/z
  run -0 group rm "$name" -r /a
  run -0 group rm "$name" '/with space' /täg b
  run -0 group ls "$name" --json
  [ "$(jq -c '[.[] | select(.kind == "group") | .name]' <<<"$output")" = '["private"]' ]
  end
}

@test "the name of the only container may be left out" {
  detached sleep 1000
  run -0 group create a
  run -0 group set /a pids.max=5
  run -0 group get /a pids.max
  [ "$output" = 5 ]
  run -0 group ls /a
  run -0 group tree /a
  run -0 group rm a
  end
  run -125 --separate-stderr group create a
  expect_error "group create; no container is running"
}

@test "set and get" {
  detached sleep 1000
  group create "$name" '/a b'
  run -0 group set "$name" '/a b' pids.max=20 memory.max=64M 'cpu.max=50000 100000'
  run -0 group get "$name" '/a b' pids.max
  [ "$output" = 20 ]
  run -0 group get "$name" '/a b' pids.max cpu.max memory.max
  expect_output <<'.'
pids.max: 20
cpu.max: 50000 100000
memory.max: 67108864
.
  run -0 group get "$name" '/a b' cgroup.events pids.max
  [ "${lines[0]}" = "cgroup.events: populated 0" ]
  [ "${lines[1]:0:1}" = $'\t' ]
  run -0 group get "$name" '/a b' --json
  [ "$(jq -r '."pids.max"' <<<"$output")" = 20 ]
  [ "$(jq -r 'has("cgroup.kill")' <<<"$output")" = false ]
  # The first that is refused ends it.
  run -125 --separate-stderr group set "$name" '/a b' pids.max=21 pids.max=x pids.max=22
  expect_error "group set: $name:/a b: pids.max=x: Invalid argument; "
  file_is '/a b' pids.max 21
  end
}

@test "processes are moved and shown" {
  detached sh -c 'sleep 1001 & sleep 1002'
  group create "$name" -p /a/b
  eventually 10 test -n "$(pid_of 'sleep 1001')"
  local one two
  eventually 10 eval '[ -n "$(pid_of "sleep 1002")" ]'
  one=$(pid_of 'sleep 1001') two=$(pid_of 'sleep 1002')
  run -0 group move "$name" /a/b "$one"
  run -0 group procs "$name" /a/b -q
  [ "$output" = "$one" ]
  run -0 group procs "$name" /a/b
  [[ "${lines[1]}" == *"$one"*"sleep 1001" ]]
  run -0 group procs "$name" /a -q
  [ -z "$output" ]
  run -0 group procs "$name" /a -r -q
  [ "$output" = "$one" ]
  run -0 group procs "$name" /a/b --threads -q
  [ "$output" = "$one" ]
  run -0 group procs "$name" -r --json
  [ "$(jq -c --argjson nr "$one" '.[] | select(.nr == $nr) | [.group, .comm, .cmdline]' <<<"$output")" = '["/a/b","sleep","sleep 1001"]' ]
  run -0 group tree "$name" --json
  [ "$(jq -c '.[0].groups[] | select(.path == "/a") | [.tasks, .own_tasks]' <<<"$output")" = '[1,0]' ]
  [ "$(jq -c '.[0].groups[] | select(.path == "/a/b").processes' <<<"$output")" = "[$one]" ]
  run -0 group tree "$name"
  grep -qE '^(└─|`-)a +1 +0 ' <<<"$output"
  run -0 group tree
  [[ "${lines[0]}" == CONTAINER* ]]
  run -0 warren move "$name" "$one" "$two" --to /a
  run -0 group procs "$name" /a -q
  [ "$(sort -n <<<"$output" | tr '\n' ' ')" = "$(printf '%s\n' "$one" "$two" | sort -n | tr '\n' ' ')" ]
  run -0 group move "$name" / "$one" "$two"
  run -0 group rm "$name" /a/b /a
  end
}

@test "what a process starts is in its group" {
  detached sh -c 'while :; do sleep 0.05; done'
  group create "$name" /a
  local shell
  shell=$("$WARREN" ps "$name" --json | jq '.[0].tasks[] | select(.nrs[1] == 1).nrs[0]')
  group move "$name" /a "$shell"
  both() { [ "$(group procs "$name" /a -q | wc -l)" -eq 2 ]; }
  eventually 10 both
  forked() { [ "$("$WARREN" group tree "$name" /a --json | jq '.[0].groups[0].forks')" -gt 3 ]; }
  eventually 10 forked
  end
}

@test "freeze and thaw" {
  detached sh -c 'while :; do :; done'
  group create "$name" -p /a/b
  local spinner before
  spinner=$("$WARREN" ps "$name" --json | jq '.[0].tasks[0].nrs[0]')
  group move "$name" /a/b "$spinner"
  run -0 --separate-stderr warren freeze "$name" /a
  [ -z "$output$stderr" ]
  grep -qx 'frozen 1' <<<"$(file /a cgroup.events)"
  file_is /a freezer.state FROZEN
  [ "$("$WARREN" group tree "$name" --json | jq -c '[.[0].groups[] | select(.frozen).path]')" = '["/a","/a/b"]' ]
  before=$(ticks "$spinner")
  read -r -t 0.5 <> <(:) || true
  [ "$(ticks "$spinner")" = "$before" ]
  run -125 --separate-stderr warren thaw "$name" /a/b
  expect_error "thaw: $name:/a/b; a group above it is frozen"
  run -0 warren thaw "$name" /a
  runs() { [ "$(ticks "$spinner")" -gt "$before" ]; }
  eventually 10 runs
  # SIGKILL ends what is frozen.
  run -0 warren freeze "$name" /a
  run -0 group kill "$name" /a
  eventually 20 not_listed
  eventually 20 no_survivors
}

@test "group kill ends a whole subtree, however it forks, and returns when it has" {
  detached sh -c 'sleep 1000 & bash -c "while :; do (sleep 0.01 &); done; true" forker & wait'
  group create "$name" -p /a/b
  # The shell that forks, not those that it forked: they come and go, to the init.
  forker() { "$WARREN" ps "$name" --json | jq '[.[0].tasks[] | select(.cmdline | endswith("forker")).nrs[0]] | min // empty'; }
  eventually 10 eval '[ -n "$(forker)" ]'
  group move "$name" /a/b "$(forker)"
  populated() { grep -qx 'populated 1' <<<"$(file /a cgroup.events)"; }
  eventually 10 populated
  run -0 group kill "$name" /a
  grep -qx 'populated 0' <<<"$(file /a cgroup.events)"
  run -0 group rm "$name" -r /a
  end
}

@test "group kill with a signal" {
  detached sh -c '(trap "echo got >caught; exit" USR1; while :; do sleep 0.05; done) & wait'
  group create "$name" /a
  local child
  child=$("$WARREN" ps "$name" --json | jq '.[0].tasks[] | select(.nrs[1] > 1 and .comm == "sh").nrs[0]' | head -n 1)
  group move "$name" /a "$child"
  run -0 group kill "$name" /a -s USR1
  eventually 10 test -s caught
  eventually 20 not_listed
}

@test "run --group: limits hold from the first fork on" {
  name="g$BATS_TEST_NUMBER-$$"
  run -0 warren run --name "$name" --group '/jobs/to night' --set pids.max=3 -- sh -c '
    "$WARREN" group get /jobs/to\ night pids.max
    (sleep 1000 & sleep 1000 & sleep 1000 &) 2>&1
    exec "$WARREN" group get /jobs/to\ night pids.current'
  [ "${lines[0]}" = 3 ]
  [[ "${lines[1]}" == *"Cannot fork"* ]]
  [ "${lines[2]}" -le 3 ]
  run -0 warren run --group /a -- cat /proc/self/cgroup
  [ "$output" = "0::/a" ]
  # Every file of a group with a process can be read, and the namespace's number is what /proc shows.
  run -0 warren run --group /a/b -- sh -c '"$WARREN" group get /a/b --json; readlink /proc/self/ns/pid'
  [ "pid:[$(jq -r '."pid.inode"' <<<"${output%$'\n'*}")]" = "${lines[-1]}" ]
}

@test "run --group: what goes wrong is one line and 125" {
  run -125 --separate-stderr warren run --set pids.max=3 -- true
  expect_error "run: --set: pids.max=3: Invalid argument; say of which group, with --group"
  run -125 --separate-stderr warren run --group /a --set pids.max -- true
  expect_error "run: --set: pids.max: Invalid argument; give FILE=VALUE"
  run -125 --separate-stderr warren run --group /a --set pids.max=x -- true
  expect_error "run: --set: pids.max=x: Invalid argument"
  run -125 --separate-stderr warren run --group /a --set no.such=1 -- true
  expect_error "run: --set: no.such=1: No such file or directory"
  run -125 --separate-stderr warren run --group /a --set pids.max=0 --set pids.current=1 -- true
  expect_error "run: --set: pids.current=1: Permission denied"
  run -125 --separate-stderr warren run --group "/$(printf 'x%.0s' {1..256})" -- true
  expect_error "File name too long"
}

@test "inside a container" {
  run -0 guest sh -ec '
    "$WARREN" group create a -p --set pids.max=10
    "$WARREN" group move /a $$
    "$WARREN" group procs /a -q | grep -qx $$
    "$WARREN" group get a pids.max
    "$WARREN" group ls . / | grep a/
    sleep 1000 & "$WARREN" group create . /a/b
    "$WARREN" group move /a/b $!
    "$WARREN" freeze /a/b && "$WARREN" group get /a/b freezer.state
    "$WARREN" thaw /a/b && "$WARREN" group get /a/b freezer.state
    "$WARREN" group kill /a/b
    "$WARREN" run --group /a/c --set pids.max=4 -- cat /proc/self/cgroup
    "$WARREN" group rm -r /a/c'
  [ "${lines[0]}" = 10 ]
  [ "${lines[1]}" = a/ ]
  [ "${lines[2]}" = FROZEN ]
  [ "${lines[3]}" = THAWED ]
  [ "${lines[4]}" = 0::/a/c ]
}

@test "a guest does not lift its own limits" {
  run -0 warren run --group /a --set pids.max=10 -- sh -c '
    for what in "set /a pids.max=20" "set / cgroup.max.depth=3" "create /b" "rm /a" "kill /a"; do
      "$WARREN" group $what 2>&1 && echo "done: $what"
    done
    "$WARREN" group create /a/b && "$WARREN" group set /a/b pids.max=5 &&
      { sleep 1000 & } && "$WARREN" group move /a/b $! && "$WARREN" group move /a $! && echo below'
  [ "${#lines[@]}" -eq 6 ]
  for i in 0 1 2 3 4; do [[ "${lines[i]}" == "warren: group "*": Operation not permitted; a guest changes only"* ]]; done
  [ "${lines[5]}" = below ]
}

@test "a guest reaches no task that it does not see" {
  run -0 warren run -- sh -c '
    sleep 1000 &
    "$WARREN" group create -p /a/b /c
    "$WARREN" group move /a/b $!
    "$WARREN" run -- sh -c "
      \"\$WARREN\" group procs / -q | head -n 1; \"\$WARREN\" group procs /a -r -q
      for pid in 4000000 $!; do \"\$WARREN\" group move /c \$pid 2>&1; done
      for what in \"kill /a\" \"set /a/b pids.max=1\" \"rm -r /a\"; do \"\$WARREN\" group \$what 2>&1; done
      \"\$WARREN\" freeze /a 2>&1
      \"\$WARREN\" group set /c pids.max=1 && \"\$WARREN\" group rm /c"'
  [ "${lines[0]}" = 1 ]
  [[ "${lines[1]}" == *": 4000000: No such process"* ]]
  [[ "${lines[2]}" == *": No such process"* ]]
  for i in 3 4 5 6; do [[ "${lines[i]}" == *": Operation not permitted; a guest changes only"* ]]; done
  [ "${#lines[@]}" -eq 7 ]
}

@test "bad input is one line and 125" {
  detached sleep 1000
  group create "$name" /a
  local pid
  pid=$(pid_of 'sleep 1000')
  bad() {
    local text=$1
    shift
    run -125 --separate-stderr warren "$@"
    expect_error "$text" || { echo "warren $*" >&2; return 1; }
    [ -z "$output" ]
  }
  bad "there is no such command; see 'warren group --help'" group frobnicate
  bad "see 'warren group --help'" group
  bad "there is no such option; see 'warren group create --help'" group create --frob
  for verb in create rm set get move kill; do bad "see 'warren group $verb --help'" group "$verb"; done
  bad "File exists; there is such a group already" group create "$name" /a
  bad "No such file or directory; there is no such group" group create "$name" /b/c
  bad "File name too long" group create "$name" "/$(printf 'x%.0s' {1..256})"
  bad "Invalid argument" group create "$name" $'/a\nb'
  bad "--mode: 888" group create "$name" -m 888 /x
  bad "--set: pids.max" group create "$name" /x --set pids.max
  bad "there is no such group" group rm "$name" /x
  bad "Device or resource busy" group rm "$name" /
  bad "there is no such group" group ls "$name" /x
  bad "there is no such group" group tree "$name" /x
  bad "there is no such group" group procs "$name" /x
  bad "there is no such group" group procs "$name" -r /x
  bad "there is no such group" group set "$name" /x pids.max=1
  bad "there is no such file; see 'warren group ls'" group set "$name" /a no.such=1
  bad "there is no such file; see 'warren group ls'" group get "$name" /a no.such
  bad "give FILE=VALUE" group set "$name" /a
  bad "give FILE=VALUE" group set "$name" /a pids.max=1 x
  bad "Permission denied; this file is only for reading" group set "$name" /a pids.current=1
  bad "Permission denied; this file is only for writing" group get "$name" /a cgroup.kill
  bad "Invalid argument" group set "$name" /a pids.max=many
  bad "x: Invalid argument; give the number of a process" group move "$name" /a x
  bad "0: Invalid argument; give the number of a process" group move "$name" /a 0
  bad "4000000: No such process; see 'warren ps'" group move "$name" /a 4000000
  bad "there is no such group" group move "$name" /x "$pid"
  bad "the root has no cgroup.kill" group kill "$name" /
  bad "'kill -l' lists the signals" group kill "$name" /a -s FROB
  bad "there is no such group" freeze "$name" /x
  bad "there is no such group" thaw "$name" /x
  bad "group ls --hierarchies" group ls "$name" -H nosuch
  bad "say where to" move "$name" "$pid"
  bad "--children" move "$name" "$pid" --to /a --children
  bad "--subsystem" move "$name" "$pid" --like "$pid"
  bad "there is no such group" move "$name" "$pid" --to /x
  bad "no such namespace; see 'warren ns'" move "$name" "$pid" --ns 99
  bad "no such container is running" group ls nosuch
  bad "no such container is running" freeze nosuch /a
  end
}

@test "hierarchies" {
  detached sleep 1000
  run -0 group ls "$name" --hierarchies
  [[ "${lines[0]}" == HIERARCHY*NAME*SUBSYSTEMS* ]]
  [[ "${lines[1]}" =~ ^\ *0\ .*pids ]]
  run -0 group ls "$name" --hierarchies --json
  [ "$(jq -c '.[0] | [.id, (.subsystems | contains(["freezer", "memory", "pids"]))]' <<<"$output")" = '[0,true]' ]
  run -0 group create "$name" -H pids /a
  run -0 group create "$name" -H 0 /b
  run -0 group get "$name" -H freezer /b pids.max
  [ "$output" = max ]
  end
}

@test "many groups, and a deep tree" {
  detached sleep 1000
  local path='' i
  for i in $(seq 1 40); do path+="/d"; done
  run -0 group create "$name" -p "$path"
  # shellcheck disable=SC2046
  run -0 group create "$name" $(seq -f '/w%g' 1 200)
  [ "$("$WARREN" group tree "$name" --json | jq '.[0].groups | length')" -eq 241 ]
  run -0 group tree "$name"
  [ "${#lines[@]}" -eq 242 ]
  run -0 group rm "$name" -r /d
  end
}
