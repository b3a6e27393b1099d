#!/usr/bin/env bats
# warren top in a real terminal: tmux draws it, and what it drew is read back. Nothing waits for a
# time: each step waits for what the screen must show.

load helper

setup_file() {
  command -v tmux >/dev/null || { echo "tmux is not installed (scripts/install-deps.sh)" >&2; return 1; }
}

# The server has the marker as guests have, so that it may not outlive its test either. Each is one of
# its own: one that is told to end may still be there when the next begins.
t() { tmux -L "$E2E_MARK-${servers:-0}" -f /dev/null "$@"; }

on_screen() { t capture-pane -p -t top | grep -qE -- "$1"; }
not_on_screen() { ! on_screen "$1"; }

# Waits for the extended regular expression on a line of the screen.
see() { eventually 30 on_screen "$1" || { t capture-pane -p -t top >&2; return 1; }; }
unsee() { eventually 30 not_on_screen "$1" || { t capture-pane -p -t top >&2; return 1; }; }
keys() { t send-keys -t top "$@"; }

# warren top with these arguments in a terminal of 80 columns and 24 lines; when it ends, its status
# is on the screen, and a shell's work goes on.
open_top() {
  printf '%s\n' 'echo before-top; stty -a >modes-before' '"$WARREN" top "$@" 2>errors' \
    'echo "status=$?"; stty -a >modes-after; exec cat' >top.sh
  t new-session -d -s top -x "${COLUMNS_WANTED:-80}" -y "${LINES_WANTED:-24}" bash top.sh "$@"
}

close_top() {
  t kill-server
  servers=$((${servers:-0} + 1))
}

listed() { [ -n "$("$WARREN" ps --json | jq -r --arg name "$name" '.[] | select(.name == $name).name')" ]; }
unlisted() { ! listed; }

# A container in the background that runs a shell's text.
detached() {
  name=top-$BASHPID
  run -0 "$WARREN" run -d --name "$name" "$@" 3>&-
}

end() {
  "$WARREN" kill "$name"
  eventually 20 unlisted
  eventually 20 no_survivors
}

# Two sleeps, with a shell above them whose command line does not have their words.
two_sleeps() {
  echo 'sleep 1001 & sleep 1002 & wait; wait; sleep 1003' >two.sh
  detached "$@" -- sh two.sh
}

# For groups: the container knows them.
need_groups() {
  run -0 "$WARREN" top "$name" --json
  if [ "$(jq '.containers[0].groups == null' <<<"$output")" = true ]; then
    end
    skip "containers have no groups"
  fi
}

@test "the lists, their titles and what is in them" {
  need jq
  two_sleeps --nest 2
  open_top "$name"
  see "^warren top .* - $name \((ptrace|inject|untraced)\), up 0:0"
  see "Processes: 4, "
  keys t
  see "NUMBERS .*%CPU .*COMMAND"
  see ",3,2 .* sleep 1001"
  see "sleep 1002"
  keys n
  see "NAMESPACE .*LEVEL .*FORK/S .*COMMAND"
  see "└─sh two"
  keys Tab
  see "NUMBERS .*%CPU"
  close_top
  end
}

@test "quit gives the terminal back, by q, Ctrl-C and F10" {
  need jq
  detached -- sleep 1000
  local how
  for how in q C-c F10; do
    open_top "$name"
    see "q:Quit"
    not_on_screen before-top
    keys "$how"
    see "^status=0$"
    on_screen before-top
    not_on_screen "q:Quit"
    eventually 20 test -s modes-after
    diff modes-before modes-after
    [ ! -s errors ]
    close_top
    rm modes-after
  done
  end
}

@test "a signal ends it, and the terminal is as it was" {
  need jq
  detached -- sleep 1000
  local signal
  for signal in TERM HUP QUIT SEGV ABRT; do
    printf '%s\n' 'ulimit -c 0; echo before-top; stty -a >modes-before' '"$WARREN" top 2>/dev/null & echo $! >pid; fg >/dev/null 2>&1' \
      'echo "status=$?"; stty -a >modes-after; exec cat' >top.sh
    t new-session -d -s top -x 80 -y 24 bash -m top.sh
    see "q:Quit"
    kill -s "$signal" "$(cat pid)"
    see "^status=$((128 + $(kill -l "$signal")))$"
    on_screen before-top
    not_on_screen "q:Quit"
    eventually 20 test -s modes-after
    diff modes-before modes-after
    close_top
    rm modes-after
  done
  end
}

@test "Ctrl-Z stops it, fg brings the screen back" {
  need jq
  detached -- sleep 1000
  printf '%s\n' '"$WARREN" top' 'echo "stopped=$?"; read -r; fg >/dev/null; echo "status=$?"; exec cat' >top.sh
  t new-session -d -s top -x 80 -y 24 bash -m top.sh
  see "q:Quit"
  keys C-z
  see "^stopped=148$"
  not_on_screen "q:Quit"
  keys Enter
  see "q:Quit"
  keys q
  see "^status=0$"
  close_top
  end
}

# What stands first in the list.
first_row() { t capture-pane -p -t top | sed -n 6p; }
first_row_has() { first_row | grep -q -- "$1"; }

@test "sorting, and the other way round" {
  need jq
  echo 'while :; do :; done' >busy.sh
  echo 'sh busy.sh & sleep 1001 & wait' >first.sh
  detached -- sh first.sh
  open_top "$name" --view tasks -d 0.5
  eventually 30 first_row_has "busy"
  keys N
  eventually 30 first_row_has ",1 "
  keys R
  eventually 30 first_row_has "sleep 1001"
  keys P
  eventually 30 first_row_has "busy"
  # Beside the use of CPU stands the time.
  keys '>'
  eventually 30 first_row_has "busy"
  keys R
  eventually 30 not first_row_has "busy"
  close_top
  end
}

not() { ! "$@"; }

@test "tree and filter" {
  need jq
  two_sleeps
  open_top "$name" --view tasks
  see "sleep 1001"
  not_on_screen "─sleep"
  keys V
  see "├─sleep 1001"
  see "└─sleep 1002"
  keys /
  see "^Show what contains:"
  keys -l "SLEEP 1002"
  unsee "sleep 1001\$"
  keys Enter
  see "Filter: SLEEP 1002"
  see "└─sleep 1002"
  keys Escape
  see "├─sleep 1001"
  close_top
  end
}

@test "kill: it asks for the signal, and whether" {
  need jq
  two_sleeps
  open_top "$name" --view tasks --sort number -d 0.5
  see "sleep 1002"
  keys /
  keys -l "sleep 1001"
  keys Enter
  see "Filter: sleep 1001"
  keys Down
  keys k
  see "^Signal for process .*\(sleep\): TERM"
  keys Enter
  see "^Send SIGTERM to process .*\(sleep\)\? \[y/N\]"
  keys n
  see "no signal was sent"
  see ",2 .*sleep 1001"
  keys k
  see "^Signal for"
  keys C-u
  keys -l usr1
  keys Enter
  see "^Send SIGUSR1 to process"
  keys y
  unsee ",2 .*sleep 1001"
  # The shell had two; the other lives.
  keys Escape
  see "sleep 1002"
  close_top
  end
}

@test "any size, and changes of size" {
  need jq
  two_sleeps
  open_top "$name" --view tasks -d 0.5
  see "sleep 1001"
  t resize-window -t top -x 120 -y 40
  eventually 30 test "$(t display-message -p -t top '#{pane_width}')" = 120
  local size
  for size in "40 10" "20 5" "12 3" "5 2" "1 1" "100 30"; do
    t resize-window -t top -x "${size% *}" -y "${size#* }"
    keys Down
  done
  see "sleep 1001"
  see "Processes: 3"
  keys q
  see "^status=0$"
  close_top
  end
}

@test "control characters of a guest are not the terminal's" {
  need jq
  detached -- bash -c $'exec -a $\'\\e[31mred\\e]0;title\\aend\' sleep 1000'
  open_top "$name" --view tasks
  see '\?\[31mred\?\]0;title\?end'
  [ "$(t display-message -p -t top '#{pane_title}')" != title ]
  close_top
  run -0 "$WARREN" top "$name" --once
  ! grep -q $'[\e\a]' <<<"$output"
  end
}

@test "help, and the interval" {
  need jq
  detached -- sleep 1000
  open_top "$name"
  see "q:Quit"
  keys '?'
  see "^Keys of warren top"
  keys q
  see "q:Quit"
  keys d
  see "Seconds between measurements: 2"
  keys C-u
  keys -l 0.3
  keys Enter
  see "every 0.3 s"
  see '\+-:0.3s'
  keys +
  see '\+-:0.6s'
  close_top
  end
}

@test "the container ends while it is watched" {
  need jq
  detached -- sleep 1000
  open_top "$name" -d 0.2
  see "q:Quit"
  "$WARREN" kill "$name"
  see "no such container is running"
  keys q
  see "^status=0$"
  close_top
  eventually 20 unlisted
}

@test "a supervisor that does not answer does not keep the user" {
  need jq
  detached -- sleep 1000
  open_top "$name" -d 0.2
  see "q:Quit"
  local supervisor
  supervisor=$("$WARREN" ps "$name" --json | jq '.[0].supervisor')
  kill -STOP "$supervisor"
  see "waiting for an answer"
  keys t
  see "NUMBERS"
  keys q
  see "^status=0$"
  kill -CONT "$supervisor"
  close_top
  end
}

both_sleep() { [ "$("$WARREN" ps "$name" --json | grep -c '"cmdline": "sleep 100[12]"')" = 2 ]; }

@test "groups: the tree, freezing, thawing, killing" {
  need jq
  two_sleeps
  need_groups
  "$WARREN" group create "$name" /web
  "$WARREN" group create "$name" /web/job
  eventually 20 both_sleep
  "$WARREN" group move "$name" /web/job "$("$WARREN" ps "$name" --json | jq '.[0].tasks[] | select(.cmdline == "sleep 1001").nrs[0]')"
  open_top "$name" -d 0.2
  see "TASKS .*LIMIT .*FORK/S .*GROUP"
  see "└─web"
  see " 1 .* └─job"
  keys Down
  keys f
  see "group /web is freezing"
  see "frozen +└─web"
  eventually 20 test "$("$WARREN" group get "$name" /web cgroup.freeze)" = 1
  keys f
  see "group /web is thawed"
  unsee "frozen"
  keys t
  see "/web/job .*sleep 1001"
  keys g
  see "└─job"
  keys Down
  keys k
  see "^Signal for group /web/job: KILL|^Signal for group /web: KILL"
  keys Enter
  see "^Send SIGKILL to 1 process of group /web"
  keys y
  see "SIGKILL sent to"
  keys t
  unsee "sleep 1001"
  see "sleep 1002"
  close_top
  end
}

@test "no terminal, or one that cannot be drawn on: one line" {
  need script
  run -125 --separate-stderr "$WARREN" top
  [[ "$stderr" == "warren: top: "*"not a terminal; --batch"* ]]
  run -125 env TERM=dumb script -qec "$WARREN top" /dev/null
  [[ "$output" == "warren: top: TERM=dumb cannot move its cursor; --batch prints lists instead"* ]]
  run -125 env TERM=no-such-type script -qec "$WARREN top" /dev/null
  [[ "$output" == "warren: top: TERM=no-such-type is not known here"* ]]
}

@test "bad options" {
  local bad
  for bad in "--view x" "--sort x" "--view tasks --sort forks" "-d 0" "-d x" "-d 1e9" "-n 0" "-n x" "--tree --flat"; do
    # shellcheck disable=SC2086
    run -125 --separate-stderr "$WARREN" top --once $bad
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ "$stderr" == "warren: top: --"*"Invalid argument"* ]]
  done
  run -125 --separate-stderr "$WARREN" top --once no-such-name
  [[ "$stderr" == *"no such container is running"* ]]
}

@test "--batch, --once and --json" {
  need jq
  detached --nest 2 -- sh -c 'while :; do /bin/true; done'
  run -0 "$WARREN" top "$name" -b -n 2 -d 0.2 --view namespaces
  [ "$(grep -c "^warren top " <<<"$output")" = 2 ]
  [ "$(grep -c "^NAMESPACE " <<<"$output")" = 2 ]
  run -0 "$WARREN" top "$name" --once --view tasks --filter __init
  grep -q "warren __init" <<<"$output"
  ! grep -q "^[0-9,]* .* while" <<<"$output"
  run -0 "$WARREN" top "$name" --json
  jq -e '.interval > 0 and (.containers | length) == 1' <<<"$output"
  # A loop of forks: each is counted where it was made and above.
  jq -e '[.containers[0].namespaces[].forks_per_second > 1] == [true, true]' <<<"$output"
  jq -e '[.containers[0].tasks[] | .nrs | length] | max == 3' <<<"$output"
  end
  run -0 "$WARREN" top --json
  [ "$(jq '.containers | length' <<<"$output")" = 0 ]
}

@test "inside a container: its own namespace downward" {
  need jq
  run -0 guest sh -c '"$0" top --json; "$0" top --once --view tasks' "$WARREN"
  local json
  json=$(sed -n '/^{/,/^}/p' <<<"$output")
  [ "$(jq '.containers[0].supervisor' <<<"$json")" = 0 ]
  [ "$(jq '.containers[0].tasks[0].nrs[0]' <<<"$json")" = 1 ]
  jq -e '.containers[0].tasks[0].memory > 0' <<<"$json"
  grep -q "^1 .* sh -c" <<<"$output"
}
