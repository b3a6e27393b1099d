#!/usr/bin/env bats
# The supervisor is killed: who stands above it ends all that is left, and nothing else.

load containers

marked_at_least() { [ "$(survivors | wc -l)" -ge "$1" ]; }

supervisor() { "$WARREN" ps "$name" --json 2>/dev/null | jq -e '.[0].supervisor'; }
parent_of() { ps -o ppid= -p "$1" | tr -d ' '; }

# `warren run` in the foreground of $front, with a name that is $name; a program and its arguments.
start_in_front() {
  name="e$BATS_TEST_NUMBER-$$"
  "$WARREN" run --name "$name" -- "$@" 3>&- &
  front=$!
}

# Waits for $front. It must have ended by what it says of a killed supervisor.
front_tells() {
  local ended=0
  wait "$front" || ended=$?
  [ "$ended" -eq 125 ]
}

@test "in the midst of a fork storm: when warren run has ended, nothing is left" {
  compile storm
  start_in_front ./storm 2000
  eventually 60 marked_at_least 300
  kill -KILL "$(supervisor)"
  front_tells
  # At once: the front ends as the last.
  run survivors
  [ -z "$output" ]
}

@test "in the midst of a fork storm in the background: nothing is left" {
  compile storm
  detached -- ./storm 2000
  eventually 60 marked_at_least 300
  local pid front
  pid=$(supervisor)
  front=$(parent_of "$pid")
  # There is somebody above it, of this very container.
  grep -qzx -- "E2E_MARK=$E2E_MARK" "/proc/$front/environ"
  kill -KILL "$pid"
  eventually 60 gone "$front"
  run survivors
  [ -z "$output" ]
  not_listed
}

@test "daemons, stopped programs and namespaces in namespaces: nothing is left" {
  compile daemon
  # shellcheck disable=SC2016
  start_in_front bash -c './daemon out stop & sh -c "kill -STOP \$\$" & setsid sleep 1000 &
    "$WARREN" run --nest 3 -- sh -c "setsid sleep 1000 & touch up; sleep 1000" & sleep 1000'
  eventually 20 test -e up
  eventually 20 test -e out
  kill -KILL "$(supervisor)"
  front_tells
  run survivors
  [ -z "$output" ]
}

@test "children that the process had before it became warren run, and their orphans, live on" {
  name="e$BATS_TEST_NUMBER-$$"
  # shellcheck disable=SC2016
  env -u E2E_MARK OTHER_MARK="$E2E_MARK" sh -c '
    sh -c "until [ -e up ]; do sleep 0.05; done; (sleep 1000 & echo \$! >orphan.new); mv orphan.new orphan
      exec sleep 1000" &
    echo $! >child
    E2E_MARK=$OTHER_MARK exec "$0" run --name "$1" -- sh -c "setsid sleep 1000 & touch up; sleep 1000"' \
    "$WARREN" "$name" 3>&- &
  front=$!
  eventually 20 test -e orphan
  local child orphan
  child=$(cat child)
  orphan=$(cat orphan)
  [ "$(parent_of "$child")" = "$front" ]
  # It does not take what is not the container's.
  [ "$(parent_of "$orphan")" != "$front" ]
  kill -KILL "$(supervisor)"
  local told=0
  front_tells || told=$?
  run survivors
  local alive=0
  kill -0 "$child" && kill -0 "$orphan" || alive=$?
  kill -KILL "$child" "$orphan"
  [ "$told" -eq 0 ]
  [ -z "$output" ]
  [ "$alive" -eq 0 ]
}

@test "the exit status is the program's own beside children from before" {
  # shellcheck disable=SC2016
  run -7 sh -c 'sleep 1000 3>&- >/dev/null 2>&1 & echo $!; exec "$WARREN" run -- sh -c "exit 7"'
  kill -KILL "$output"
  # shellcheck disable=SC2016
  run -127 sh -c 'sleep 1000 3>&- >/dev/null 2>&1 & echo $! >child; exec "$WARREN" run -- /nowhere/program'
  kill -KILL "$(cat child)"
  eventually 5 no_survivors
}

@test "a mount goes with it: the helper that unmounts is not killed" {
  [ -w /dev/fuse ] && command -v fusermount3 >/dev/null || skip "no FUSE here"
  start_in_front sleep 1000
  eventually 20 listed
  mkdir m
  warren mount "$name" m
  grep -q " $PWD/m fuse" /proc/self/mounts
  kill -KILL "$(supervisor)"
  front_tells
  # At once, as the front waits for the helper.
  run ! grep " $PWD/m " /proc/self/mounts
  run survivors
  [ -z "$output" ]
}
