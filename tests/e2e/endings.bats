#!/usr/bin/env bats
# Crowds of processes and threads, and what is left when a namespace ends: nothing.

load helper

start_storm() {
  compile storm
  "$WARREN" run -- ./storm "$1" 3>&- &
  warren_pid=$!
}

marked_at_least() { [ "$(survivors | wc -l)" -ge "$1" ]; }

# The storm's init as the host knows it.
storm_init() {
  local pid
  for pid in $(survivors); do
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = storm-init ]; then
      echo "$pid"
      return
    fi
  done
  return 1
}

@test "200 threads in one process" {
  compile threads -pthread
  run -0 guest ./threads
  expect_output <<-END
	distinct 200
	201
	END
}

@test "a fork storm of 2000, cut short by the end of init: nothing is left" {
  start_storm 2000
  eventually 60 marked_at_least 400
  kill -KILL "$(storm_init)"
  eventually 60 gone "$warren_pid"
  local ended=0
  wait "$warren_pid" || ended=$?
  run survivors
  [ -z "$output" ]
  [ "$ended" -eq 137 ]
}

@test "2000 processes at once, then the end of init: nothing is left" {
  start_storm 2000
  eventually 120 marked_at_least 1990
  kill -KILL "$(storm_init)"
  eventually 60 gone "$warren_pid"
  local ended=0
  wait "$warren_pid" || ended=$?
  run survivors
  [ -z "$output" ]
  [ "$ended" -eq 137 ]
}

@test "a daemon that forks twice: its parent is 1, and it ends with the namespace" {
  compile daemon
  run -0 guest bash -c './daemon out stop; until [ -e out ]; do sleep 0.02; done; cat out; touch stop
    while pgrep -x daemon >/dev/null; do sleep 0.02; done; echo ended'
  expect_output <<-END
	ppid 1 leads its session 0
	ended
	END
  rm -f out stop
  # Not told to stop: the end of the shell is the end of it.
  run -0 guest bash -c './daemon out stop; until [ -e out ]; do sleep 0.02; done; cat out'
  [ "$output" = "ppid 1 leads its session 0" ]
  no_survivors
}

@test "background processes that ignore signals end with the shell" {
  run -3 guest bash -c 'for i in 1 2 3 4 5; do (trap "" HUP TERM INT; exec setsid sleep 1000) & done
    while [ "$(pgrep -xc sleep)" -lt 5 ]; do :; done; exit 3'
  no_survivors
}

@test "SIGKILL of warren itself: no guest survives it" {
  "$WARREN" run -- bash -c 'for i in $(seq 20); do setsid sh -c "trap : TERM HUP; sleep 1000; sleep 1000" & done
    sleep 1000' 3>&- &
  local warren_pid=$!
  eventually 30 marked_at_least 42
  kill -KILL "$warren_pid"
  wait "$warren_pid" || true
  # The kernel ends the guests as it takes the supervisor apart; nobody has to be asked.
  eventually 10 no_survivors
}

@test "SIGTERM and SIGHUP to warren end what it runs" {
  local signal warren_pid
  for signal in TERM HUP; do
    "$WARREN" run -- bash -c "trap 'exit 4' $signal; echo ready >ready; while :; do sleep 0.05; done" 3>&- &
    warren_pid=$!
    eventually 20 test -e ready
    kill -$signal "$warren_pid"
    eventually 20 gone "$warren_pid"
    local ended=0
    wait "$warren_pid" || ended=$?
    [ "$ended" -eq 4 ]
    rm ready
    no_survivors
  done
}

# With `untraced` an init that forks is left by the supervisor, which must hear of it all the same.
state_is() { [ "$(awk '$1 == "State:" { print $2 }' "/proc/$1/status")" = "$2" ]; }
state_is_not() { ! state_is "$@"; }

@test "the front stops and goes on with an init that forks, and ends with it" {
  need jq
  local name="forks-$RANDOM$RANDOM" front init
  for end in KILL TERM exit; do
    rm -f ready
    # shellcheck disable=SC2016
    "$WARREN" run --name "$name" -- bash -c 'trap "exit 7" TERM; for i in 1 2 3; do /bin/true; done; : >ready; while :; do sleep 0.02; test ! -e leave || exit 9; done' 3>&- &
    front=$!
    eventually 10 test -e ready
    init=$("$WARREN" ps "$name" --json | jq '.[0].tasks[] | select(.nrs[1] == 1) | .nrs[0]')
    kill -STOP "$init"
    eventually 10 state_is "$front" T
    kill -CONT "$front"
    eventually 10 state_is_not "$init" T
    kill -STOP "$init"
    eventually 10 state_is "$front" T
    kill -CONT "$front"
    local status=0
    case $end in
      exit) : >leave; wait "$front" || status=$?; [ "$status" -eq 9 ] ;;
      TERM) kill -TERM "$init"; wait "$front" || status=$?; [ "$status" -eq 7 ] ;;
      KILL) kill -KILL "$init"; wait "$front" || status=$?; [ "$status" -eq 137 ] ;;
    esac
    no_survivors
  done
}

@test "an init that forks ends with all its children, whatever it ends by" {
  # shellcheck disable=SC2016
  local forks='for i in 1 2 3; do /bin/true; done; for i in 1 2 3 4 5; do (trap "" TERM HUP; while :; do sleep 0.01; done) & done'
  run -5 guest bash -c "$forks; exit 5"
  no_survivors
  run -139 guest bash -c "$forks; ulimit -c 0; kill -SEGV \$\$; exec python3 -c 'import ctypes; ctypes.string_at(0)'"
  no_survivors
  # An init without a handler goes on where others end.
  run -1 guest bash -c "$forks; bash -c 'kill -TERM 1; kill -ALRM 1'; kill -PIPE \$\$; exit 1"
  no_survivors
  run -0 bash -c '"$0" run -- bash -c "/bin/true; /bin/true; echo some; while echo more; do /bin/true; done 2>/dev/null; echo over >over" | head -n 1' "$WARREN"
  [ "$output" = some ]
  eventually 10 test -e over
}

@test "last forks hold up nobody's end" {
  need cc
  compile ending_forkers
  for _ in 1 2 3 4 5 6 7 8; do
    run -6 env -u WARREN_AGENT_AFTER timeout -k 5 20 "$WARREN" run -- ./ending_forkers
    no_survivors
  done
}

@test "inits of inits that fork are killed at any moment" {
  local name
  for fork in 'while :; do /bin/true; done' 'while :; do (:); done'; do
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      name=moment-$BASHPID-$i
      run -0 env -u WARREN_AGENT_AFTER "$WARREN" run -d --name "$name" --nest 2 -- sh -c "$fork" 3>&-
      sleep 0.$((RANDOM % 3))$((RANDOM % 10))
      "$WARREN" kill "$name"
      eventually 20 no_survivors
    done
  done
}

@test "untraced, an init that forks makes no stops" {
  stops() {
    run -0 --separate-stderr "$WARREN" run --backend untraced --stats -- "$@"
    sed -n 's/^warren: \([0-9]*\) stops.*/\1/p' <<<"$stderr"
  }
  # shellcheck disable=SC2016
  for shell in dash bash; do
    [ "$(stops "$shell" -c 'i=0; while [ $i -lt 50 ]; do /bin/true; i=$((i + 1)); done; exit')" -lt 25 ]
  done
}
