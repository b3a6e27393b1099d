#!/usr/bin/env bats
# Hosts that lack what warren can do without: WARREN_WITHOUT and --without make this one such a host.

load helper

# With options of `warren run` before "--", as guest().
run_with() { timeout --foreground -k 5 60 "$WARREN" run "$@"; }

expect_line() { [[ "${#stderr_lines[@]}" -eq 1 && "$stderr" == "warren: $1"* ]]; }

# What doctor says without $1 of the check $2: its field $3.
doctor_without() {
  WARREN_WITHOUT=$1 "$WARREN" doctor --json | jq -r --arg name "$2" --arg field "$3" '.checks[] | select(.name == $name)[$field]'
}

has() { "$WARREN" doctor | grep -q "^ok *$1"; }

@test "--without and WARREN_WITHOUT want names of features" {
  local known="give sync-wakeup, landlock, pidfd-epoll or pidfd-self" list
  for list in x landlock,x x,landlock; do
    run -125 --separate-stderr "$WARREN" run "--without=$list" -- true
    expect_line "run: --without: x: Invalid argument; $known"
    WARREN_WITHOUT=$list run -125 --separate-stderr "$WARREN" run -- true
    expect_line "run: WARREN_WITHOUT: x: Invalid argument; $known"
    WARREN_WITHOUT=$list run -125 --separate-stderr "$WARREN" doctor
    expect_line "doctor: WARREN_WITHOUT: x: Invalid argument; $known"
  done
  run -125 --separate-stderr "$WARREN" run --without landlock, -- true
  expect_line "run: --without: Invalid argument; $known"
  # The option wins; a variable that says nothing is none.
  WARREN_WITHOUT=x run -0 "$WARREN" run --without landlock -- true
  WARREN_WITHOUT=x run -0 "$WARREN" run --without '' -- true
  WARREN_WITHOUT='' run -0 "$WARREN" run -- true
}

@test "inside a container the features are the container's" {
  WARREN_WITHOUT=sync-wakeup run -0 guest "$WARREN" run -- sh -c 'echo $$'
  [ "$output" = 1 ]
  run -125 --separate-stderr guest "$WARREN" run --without=landlock -- true
  expect_line "run: --without: Operation not supported; this runs inside a container"
  run -125 --separate-stderr guest "$WARREN" run --ask-paths -- true
  expect_line "run: --ask-paths: Operation not supported; this runs inside a container"
}

@test "doctor says what a host without a feature would get" {
  need jq
  local lack
  for lack in sync-wakeup:"synchronous wake-up":limited landlock:landlock:missing pidfd-epoll:"pidfds in epoll":limited pidfd-self:"own pidfd":limited; do
    IFS=: read -r feature check health <<<"$lack"
    [ "$(doctor_without "$feature" "$check" health)" = "$health" ]
    [ "$(doctor_without "$feature" "$check" detail)" = "switched off by WARREN_WITHOUT" ]
    [ "$(doctor_without "$feature" "$check" required)" = false ]
    [ -n "$(doctor_without "$feature" "$check" cost)" ]
    [[ "$(doctor_without "$feature" "$check" advice)" == "use Linux 6."* ]]
  done
  [ "$(doctor_without landlock agent health)" = limited ]
  [ "$(doctor_without sync-wakeup,pidfd-epoll agent health)" = "$("$WARREN" doctor --json | jq -r '.checks[] | select(.name == "agent").health')" ]
  WARREN_WITHOUT=sync-wakeup,landlock,pidfd-epoll,pidfd-self run -0 "$WARREN" doctor
  [ "${lines[-1]}" = "warren can run here." ]
}

@test "a life without each feature, with each back end" {
  need python3
  local backend features
  for backend in ptrace inject untraced; do
    for features in sync-wakeup landlock sync-wakeup,landlock pidfd-epoll pidfd-self; do
      [ "$backend,$features" = untraced,pidfd-epoll ] && continue
      echo "# $backend without $features" >&2
      run -0 --separate-stderr run_with "--backend=$backend" "--without=$features" -- python3 "$PROGRAMS/life.py"
      [ "$output" = lived ] && [ -z "$stderr" ]
    done
  done
}

@test "a program that joins is served without features, too" {
  run_with --name joined --without=sync-wakeup,landlock -- sleep 1000 3>&- &
  eventually 10 "$WARREN" ps joined >ps 2>&1
  run -3 timeout 20 "$WARREN" exec joined -- sh -c '(true); readlink /proc/self >&2; exit 3'
  "$WARREN" kill joined
  wait
}

@test "without pidfds in epoll: untraced is an error, and auto takes the next best" {
  need jq
  local taken
  run -125 --separate-stderr "$WARREN" run --without=pidfd-epoll --backend=untraced -- true
  expect_line "run: --backend: untraced: Operation not supported; "
  [[ "$stderr" == *"Linux 6.9"* ]]
  WARREN_WITHOUT=pidfd-epoll WARREN_BACKEND=untraced run -125 --separate-stderr "$WARREN" run -- true
  expect_line "run: WARREN_BACKEND: untraced: Operation not supported; "
  run -0 run_with --backend=auto --without=pidfd-epoll -- "$WARREN" ps --json
  taken=$(jq -r '.[].backend' <<<"$output")
  run -0 run_with --backend=auto -- "$WARREN" ps --json
  # Where the host has no Landlock either, both are ptrace.
  case $(jq -r '.[].backend' <<<"$output") in
    untraced) [ "$taken" = inject ] ;;
    *) [ "$taken" = "$(jq -r '.[].backend' <<<"$output")" ] ;;
  esac
}

@test "without Landlock: auto takes ptrace, or an agent that leaves paths alone" {
  need jq
  backend() { run_with --without=landlock "$@" -- "$WARREN" ps --json | jq -r '.[].backend'; }
  [ "$(backend --backend=auto)" = ptrace ]
  [ "$(backend --backend=auto --ask-paths)" != ptrace ]
  [ "$(backend --backend=inject)" = inject ]
  [ "$(backend --backend=untraced --ask-paths)" = untraced ]
}

@test "with --ask-paths the supervisor has every path" {
  need python3
  local backend
  for backend in ptrace inject untraced; do
    echo "# $backend" >&2
    run -0 --separate-stderr run_with "--backend=$backend" --ask-paths --without=landlock -- python3 "$PROGRAMS/life.py"
    [ "$output" = lived ] && [ -z "$stderr" ]
  done
  notifications() {
    run_with --stats "$@" -- python3 -c 'import os; [os.stat("/etc/passwd") for _ in range(3000)]' 2>&1 | sed -n 's/.*), \([0-9]*\) notifications.*/\1/p'
  }
  for backend in inject untraced; do
    [ "$(notifications "--backend=$backend")" -lt 2000 ]
    [ "$(notifications "--backend=$backend" --ask-paths)" -gt 3000 ]
  done
}

@test "a link of the host's into /proc: what remains visible" {
  env -u E2E_MARK OUTSIDE=secret sleep 1000 3>&- &
  local outsider=$! backend
  ln -s "/proc/$outsider" door
  # The name is visible in any case, but where paths are walked.
  # shellcheck disable=SC2016
  local look='cat door/comm; tr "\0" "\n" <door/environ | grep ^OUTSIDE; true'
  for backend in ptrace inject untraced; do
    echo "# $backend" >&2
    run -0 --separate-stderr run_with "--backend=$backend" --without=landlock -- sh -c "$look"
    [ "$output" = $'sleep\nOUTSIDE=secret' ]
    if has landlock; then
      run -0 --separate-stderr run_with "--backend=$backend" -- sh -c "$look"
      [ "$output" = sleep ]
    fi
    run -0 --separate-stderr run_with "--backend=$backend" --without=landlock --ask-paths -- sh -c "$look"
    [ "$output" = "" ]
  done
  kill "$outsider"
}
