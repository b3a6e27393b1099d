#!/usr/bin/env bats
# run, ps, ns, exec and kill on running containers.

load containers

# Tasks of the container as ps tells, by a jq filter.
tasks() { "$WARREN" ps "$name" --json | jq -c ".[0].tasks | $1"; }
nr_tasks_is() { [ "$(tasks length)" -eq "$1" ]; }

@test "exit statuses" {
  run -0 warren run -- true
  run -7 warren run -- sh -c 'exit 7'
  run -255 warren run -- sh -c 'exit 255'
  run -143 warren run -- sh -c 'sh -c "kill -TERM \$\$"; exit $?'
}

@test "exit statuses with --init and --nest" {
  for options in --init "--nest 3" "--nest 3 --init"; do
    # shellcheck disable=SC2086
    {
      run -7 warren run $options -- sh -c 'exit 7'
      run -143 warren run $options -- sh -c 'sh -c "kill -TERM \$\$"; exit $?'
    }
  done
  run -137 warren run --init -- sh -c 'kill -KILL $$'

}

@test "a program that is gone when its turn comes: 126, 127 and a message" {
  printf '#!/no/such/interpreter\n' >script
  chmod +x script
  for options in "" --init "--nest 2"; do
    # shellcheck disable=SC2086
    run -127 --separate-stderr warren run $options -- ./script
    [[ "$stderr" == "warren: run: ./script: No such file or directory"* ]]
  done
  printf 'echo no interpreter named: "$0"\n' >plain
  chmod +x plain
  run -0 warren run -- ./plain
  [ "$output" = "no interpreter named: ./plain" ]
}

@test "--init: CMD is process 2, orphans are reaped, signals are passed on" {
  run -0 warren run --init -- sh -c 'echo $$'
  [ "$output" = 2 ]
  run -0 warren run --init -- sh -c '(sleep 0.1 & echo $! >orphan); read -r pid <orphan; while kill -0 $pid 2>/dev/null; do sleep 0.02; done; echo reaped'
  [ "$output" = reaped ]
  "$WARREN" run --init -- sh -c 'trap "exit 9" TERM; : >ready; while :; do sleep 0.05; done' 3>&- &
  local pid=$!
  eventually 20 test -e ready
  kill -TERM "$pid"
  local status=0
  wait "$pid" || status=$?
  [ "$status" -eq 9 ]
}

@test "--nest: CMD is process 1 of the innermost" {
  run -0 warren run --nest 5 -- sh -c 'echo $$; grep NSpid /proc/self/status'
  [ "${lines[0]}" = 1 ]
  run -0 warren run --nest 5 --init -- sh -c 'echo $$'
  [ "$output" = 2 ]
}

@test "signals to warren reach the innermost of a nest" {
  "$WARREN" run --nest 4 --init -- sh -c 'trap "exit 9" HUP; : >ready; while :; do sleep 0.05; done' 3>&- &
  local pid=$!
  eventually 20 test -e ready
  kill -HUP "$pid"
  local status=0
  wait "$pid" || status=$?
  [ "$status" -eq 9 ]
}

@test "options of the command are not warren's" {
  run -0 warren run printf '%s.' --name -x --
  [ "$output" = "--name.-x.--." ]
  run -0 warren run -- printf '%s.' -- --help
  [ "$output" = "--.--help." ]
}

@test "closed and redirected standard descriptors are the command's as they are" {
  run -1 bash -c '"$0" run -- cat <&-' "$WARREN"
  [[ "$output" == "cat: "*"Bad file descriptor"* ]]
  run -0 bash -c 'echo in | "$0" run -- cat' "$WARREN"
  [ "$output" = in ]
  run bash -c '"$0" run -- sh -c "echo lost; exit \$?" 2>/dev/null >&-' "$WARREN"
  [ "$status" -ne 0 ]
}

@test "run leaves nothing in the runtime directory" {
  mkdir -m 700 runtime
  export WARREN_RUNTIME_DIR=$WORK/runtime
  run -0 warren run -- true
  [ -z "$(ls runtime)" ]
  detached -- sleep 1000
  [ "$(stat -c %a "runtime/$name.sock")" = 600 ]
  end
  eventually 20 test -z "$(ls runtime)"
}

@test "a name is unique while its container runs" {
  detached -- sleep 1000
  run -125 --separate-stderr warren run --name "$name" -- true
  [[ "$stderr" == "warren: run: --name: $name: File exists; "* ]]
  end
  run -0 warren run --name "$name" -- true
}

@test "what a killed warren left behind is cleared away" {
  mkdir -m 700 runtime
  export WARREN_RUNTIME_DIR=$WORK/runtime
  "$WARREN" run --name gone -- sleep 1000 3>&- &
  local pid=$!
  name=gone
  eventually 20 listed
  kill -KILL "$pid"
  eventually 20 no_survivors
  run -0 "$WARREN" ps --json
  [ "$output" = "[]" ]
  run -0 warren run --name gone -- true
}

@test "--detach: the name at once, errors with their status, in the background" {
  run -127 --separate-stderr "$WARREN" run -d -- no-such-command
  [[ "$stderr" == *"no-such-command"* ]]
  printf '#!/no/such/interpreter\n' >script
  chmod +x script
  run -127 --separate-stderr warren run -d -- ./script
  [[ "$stderr" == "warren: run: ./script: No such file or directory"* ]]
  run -0 warren run -d -- sh -c 'sleep 0.2; echo done >file; sleep 1000'
  name=$output
  [[ "$name" =~ ^[a-z]+_[a-z]+$ ]]
  eventually 20 test -s file
  listed
  end
}

@test "ps: every task with all its numbers" {
  detached --nest 2 --init -- sh -c 'sleep 1000 & exec sleep 2000'
  eventually 20 nr_tasks_is 4
  # init of level 1; init of level 2; and its two below.
  [ "$(tasks '[.[].level]')" = "[1,2,2,2]" ]
  [ "$(tasks '[.[].nrs | length]')" = "[2,3,3,3]" ]
  [ "$(tasks '[.[].nrs[1:]]')" = "[[1],[2,1],[3,2],[4,3]]" ]
  [ "$(tasks '[.[].init]')" = "[true,true,false,false]" ]
  # Level 0 first: the host's own number.
  local host
  host=$(tasks '.[2].nrs[0]')
  [ "$(tr '\0' ' ' <"/proc/$host/cmdline")" = "sleep 2000 " ]
  [ "$(tasks '.[3].parent')" = "$host" ]
  [ "$(tasks '.[3].state')" = '"S"' ]

  run -0 "$WARREN" ps "$name"
  [[ "${lines[0]}" =~ ^NUMBERS\ +NAMESPACE\ +PARENT\ +STATE\ +COMMAND$ ]]
  [ "${#lines[@]}" -eq 5 ]
  [[ "${lines[3]}" =~ ^$host,3,2\ .*\ sleep\ 2000$ ]]
  run -0 "$WARREN" ps
  grep -qE "^$name +$host,3,2 " <<<"$output"
  end
}

@test "ps --tree: children below their parents" {
  detached -- sh -c 'sleep 1000 & sleep 2000'
  eventually 20 nr_tasks_is 3
  run -0 "$WARREN" ps "$name" --tree
  [[ "${lines[2]}" == *"├─sleep 1000" ]]
  [[ "${lines[3]}" == *"└─sleep 2000" ]]
  end
}

@test "ps fits the terminal" {
  need script
  detached -- sh -c 'sleep 1000; : a very long command line that no terminal of that size can show in one line'
  eventually 20 nr_tasks_is 2
  run -0 script -qec "stty cols 40; NO_COLOR=1 $WARREN ps" /dev/null
  local line
  for line in "${lines[@]}"; do
    line=${line%$'\r'}
    [ "${#line}" -le 40 ]
  done
  end
}

@test "ps: a guest cannot write to the user's terminal" {
  detached -- bash -c $'exec -a "a\033[31mb" sleep 1000'
  eventually 20 nr_tasks_is 1
  run -0 "$WARREN" ps
  ! grep -q $'\033' <<<"$output"
  end
}

@test "ns: the tree of namespaces" {
  detached --nest 3 -- sh -c 'sleep 1000; true'
  eventually 20 nr_tasks_is 4
  local json
  json=$("$WARREN" ns "$name" --json)
  [ "$(jq -c '[.[0].namespaces[].level]' <<<"$json")" = "[1,2,3]" ]
  [ "$(jq -c '[.[0].namespaces[].tasks]' <<<"$json")" = "[1,1,2]" ]
  [ "$(jq -c '.[0].namespaces | [.[1].parent, .[2].parent] == [.[0].inode, .[1].inode]' <<<"$json")" = true ]
  [ "$(jq -c '.[0].namespaces | map(.inode) | unique | length' <<<"$json")" = 3 ]
  # As the kernel shows it inside.
  local inode
  inode=$(jq -r '.[0].namespaces[2].inode' <<<"$json")
  run -0 warren exec "$name:3" -- readlink /proc/self/ns/pid
  [ "$output" = "pid:[$inode]" ]
  run -0 "$WARREN" ns "$name"
  [[ "${lines[3]}" == "  └─$inode "* ]]
  end
}

@test "exec: a process of the namespace that is asked for" {
  detached --nest 3 -- sh -c 'sleep 1000; true'
  eventually 20 nr_tasks_is 4
  run -0 warren exec "$name" -- sh -c 'grep -c . /proc/self/status >/dev/null; cat /proc/self/warren'
  [ "$(jq .level <<<"$output")" = 1 ]
  local inode
  inode=$("$WARREN" ns "$name" --json | jq '.[0].namespaces[1].inode')
  for selector in 2 /2 "$inode"; do
    run -0 warren exec "$name:$selector" -- cat /proc/self/warren
    [ "$(jq .level <<<"$output")" = 2 ]
  done
  run -0 warren exec "$name:3" -- sh -c 'echo $PPID; ps -e -o pid= | tr -d " " | sort -n | head -1'
  [ "${lines[0]}" = 0 ]
  [ "${lines[1]}" = 1 ]
  run -125 --separate-stderr warren exec "$name:9" -- true
  [[ "$stderr" == "warren: exec: $name:9: No such process; no such namespace"* ]]
  end
}

@test "exec: descriptors, directory, environment, status" {
  detached -- sleep 1000
  mkdir somewhere
  cd somewhere
  run -5 env COLOUR=$'gr\374n' timeout 60 "$WARREN" exec "$name" -- sh -c 'pwd; cat; printf "%s\n" "$COLOUR" | od -An -tx1; umask; echo err >&2; exit 5' <<<"typed"
  [ "${lines[0]}" = "$PWD" ]
  [ "${lines[1]}" = typed ]
  [ "${lines[2]}" = " 67 72 fc 6e 0a" ]
  [ "${lines[4]}" = err ]
  run -137 warren exec "$name" -- sh -c 'kill -KILL $$'
  run -127 --separate-stderr warren exec "$name" -- no-such-command
  run -126 --separate-stderr warren exec "$name" -- /tmp
  end
}

@test "exec passes signals on" {
  detached -- sleep 1000
  "$WARREN" exec "$name" -- sh -c 'trap "exit 9" TERM; : >ready; while :; do sleep 0.05; done' 3>&- &
  local pid=$!
  eventually 20 test -e ready
  kill -TERM "$pid"
  local status=0
  wait "$pid" || status=$?
  [ "$status" -eq 9 ]
  end
}

@test "exec -t: a terminal with job control" {
  need script
  detached -- sleep 1000
  run -4 script -qec "stty rows 33 cols 77; exec $WARREN exec $name -t -- bash -c 'stty size; tty | grep -c pts; set -m; sleep 0.01 & wait; exit 4'" /dev/null
  [[ "${lines[0]%$'\r'}" == *"33 77" ]]
  [ "${lines[1]%$'\r'}" = 1 ]
  run -0 bash -c 'echo "echo from \$((6 * 7)); exit" | timeout 30 "$0" exec "$1" -t -- bash --norc' "$WARREN" "$name"
  [[ "$output" == *"from 42"* ]]
  end
}

@test "exec: nothing of it keeps the supervisor busy" {
  detached -- sleep 1000
  supervisor=$("$WARREN" ps "$name" --json | jq '.[0].supervisor')
  threads() { ls "/proc/$supervisor/task" | wc -l; }
  before=$(threads)
  for _ in 1 2 3; do warren exec "$name" -- bash -c '(exit 0)'; done
  # Those that served the calls of the programs end with them.
  as_before() { [ "$(threads)" -eq "$before" ]; }
  eventually 10 as_before
  end
}

@test "exec ends with its namespace" {
  detached -- sleep 1000
  "$WARREN" exec "$name" -- sh -c ': >ready; sleep 1000' 3>&- &
  local pid=$!
  eventually 20 test -e ready
  end
  local status=0
  wait "$pid" || status=$?
  [ "$status" -eq 137 ]
}

@test "kill: one task, by its number in the namespace" {
  detached --nest 2 -- sh -c 'sleep 1000 & sleep 2000; echo "$?" >status; sleep 3000'
  eventually 20 nr_tasks_is 4
  # In the innermost the shell is 1, the sleeps are 2 and 3.
  warren kill "$name:2" 3
  eventually 20 test -s status
  [ "$(cat status)" = 143 ]
  warren kill "$name:2" -s 0 2
  run -125 --separate-stderr warren kill "$name:2" 77
  [[ "$stderr" == "warren: kill: $name:2 77: No such process; "* ]]
  warren kill "$name:2" -s KILL 2
  eventually 20 nr_tasks_is 3
  end
}

@test "kill: a namespace and what is below it" {
  detached --init -- sh -c "'$WARREN' run --nest 2 -- sleep 1000; echo \$? >status; sleep 2000"
  eventually 20 nr_tasks_is 5
  warren kill "$name:2"
  eventually 20 test -s status
  [ "$(cat status)" = 137 ]
  eventually 20 nr_tasks_is 3
  end
}

@test "the exit status of a killed container is 137" {
  "$WARREN" run --name "k-$$" -- sleep 1000 3>&- &
  local pid=$!
  name=k-$$
  eventually 20 listed
  "$WARREN" kill "$name"
  local status=0
  wait "$pid" || status=$?
  [ "$status" -eq 137 ]
}

@test "inside: run makes a namespace below, with the same statuses" {
  run -7 warren run -- "$WARREN" run -- sh -c 'echo $$; exit 7'
  [ "$output" = 1 ]
  run -127 warren run -- "$WARREN" run -- no-such-command
  run -0 warren run -- "$WARREN" run --nest 3 --init -- cat /proc/self/warren
  [ "$(jq .level <<<"$output")" = 4 ]
  run -125 warren run -- "$WARREN" run --name x -- true
  [[ "$output" == "warren: run: --name: x: Operation not supported; "* ]]
}

@test "inside: run --detach" {
  run -0 warren run --init -- sh -c '"$0" run -d -- sh -c "sleep 0.2; echo later >file; sleep 1000" && while ! test -s file; do sleep 0.05; done; cat file' "$WARREN"
  [[ "${lines[0]}" =~ ^[0-9]+$ ]]
  [ "${lines[1]}" = later ]
}

@test "inside: the namespace ends when the inner run is killed" {
  run -0 --separate-stderr warren run -- sh -c '"$0" run -- sh -c ": >ready; sleep 1000" & while ! test -e ready; do sleep 0.05; done; kill -KILL $!; wait $!; while pgrep -x sleep >/dev/null; do sleep 0.05; done; echo gone' "$WARREN"
  [ "$output" = gone ]
}

@test "inside: ps, ns, exec and kill see the own namespace downward" {
  detached --nest 2 -- sh -c 'sleep 1000; true'
  eventually 20 nr_tasks_is 3
  run -0 warren exec "$name:2" -- "$WARREN" ps --json
  [ "$(jq -c '[.[0].tasks[] | select(.cmdline | startswith("sleep")) | .nrs]' <<<"$output")" = "[[2]]" ]
  [ "$(jq -c '.[0].supervisor' <<<"$output")" = 0 ]
  [ "$(jq -c '[.[0].tasks[].level] | unique' <<<"$output")" = "[2]" ]
  run -0 warren exec "$name:2" -- "$WARREN" ns --json
  [ "$(jq -c '[.[0].namespaces[].level]' <<<"$output")" = "[2]" ]
  run -0 warren exec "$name" -- "$WARREN" exec .:2 -- cat /proc/self/warren
  [ "$(jq .level <<<"$output")" = 2 ]
  local outer
  outer=$("$WARREN" ns "$name" --json | jq '.[0].namespaces[0].inode')
  run -125 warren exec "$name:2" -- "$WARREN" kill ".:$outer"
  run -125 warren exec "$name:2" -- "$WARREN" exec ".:$outer" -- true
  run -0 warren exec "$name:2" -- "$WARREN" kill . -s 0 2
  listed
  end
}

@test "inside: other containers are out of reach" {
  detached -- sleep 1000
  run -0 warren run -- sh -c '"$0" ps "$1"; "$0" kill "$1"; "$0" exec "$1" -- true; true' "$WARREN" "$name"
  [ "${#lines[@]}" -eq 3 ]
  local line
  for line in "${lines[@]}"; do [[ "$line" == *"Operation not permitted"* ]]; done
  listed
  end
}
