#!/usr/bin/env bats
# The command line itself: help, bad input, exit statuses, output that goes nowhere, doctor.

load helper

# One line on standard error that begins with "warren: " and contains $1.
expect_error() {
  [ "${#stderr_lines[@]}" -eq 1 ] || { echo "not one line: $stderr" >&2; return 1; }
  [[ "$stderr" == "warren: "*"$1"* ]] || { echo "got: $stderr" >&2; return 1; }
}

@test "--version and --help" {
  run -0 "$WARREN" --version
  [[ "$output" =~ ^warren\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
  run -0 "$WARREN" --help
  [[ "$output" == *"Subcommands:"* ]]
  for command in run ps ns top exec kill group freeze thaw move mount umount doctor; do
    [[ "$output" == *"  $command "* ]]
  done
}

@test "--help of every command has examples" {
  for command in run ps ns top exec kill group freeze thaw move mount umount doctor; do
    run -0 "$WARREN" "$command" --help
    [[ "$output" == *"Usage: warren $command"* ]]
    [[ "$output" == *"Examples:"*"warren "* ]]
  done
  for command in create rm ls tree set get procs move kill; do
    run -0 "$WARREN" group "$command" --help
    [[ "$output" == *"Usage: warren group $command"* ]]
    [[ "$output" == *"Examples:"*"warren group $command"* ]]
  done
}

@test "unknown commands and options are one line and 125" {
  run -125 --separate-stderr "$WARREN"
  expect_error "--help"
  run -125 --separate-stderr "$WARREN" frobnicate
  expect_error "frobnicate"
  run -125 --separate-stderr "$WARREN" --frobnicate
  expect_error "--frobnicate"
  for command in run ps ns top exec kill group "group create" "group kill" freeze thaw move mount umount doctor; do
    # shellcheck disable=SC2086
    run -125 --separate-stderr "$WARREN" $command --frobnicate
    expect_error "--frobnicate: there is no such option; see 'warren $command --help'"
  done
  run -125 --separate-stderr "$WARREN" ps one two
  expect_error "two"
}

@test "missing arguments" {
  run -125 --separate-stderr "$WARREN" run
  expect_error "CMD"
  run -125 --separate-stderr "$WARREN" run --name
  expect_error "--name"
  run -125 --separate-stderr "$WARREN" exec web
  expect_error "CMD"
  run -125 --separate-stderr "$WARREN" kill
  expect_error "NAME"
}

@test "--nest wants a number of levels" {
  for number in 0 -1 x 1x '' 100000 99999999999999999999; do
    run -125 --separate-stderr "$WARREN" run "--nest=$number" -- true
    expect_error "run: --nest"
  done
}

@test "--backend wants one of its names" {
  for name in x Ptrace 'ptrace,inject' ''; do
    run -125 --separate-stderr "$WARREN" run --backend "$name" -- true
    expect_error "run: --backend: ${name:+$name: }Invalid argument; give auto, ptrace, inject or untraced"
  done
  WARREN_BACKEND=x run -125 --separate-stderr "$WARREN" run -- true
  expect_error "run: WARREN_BACKEND: x: Invalid argument"
  for name in auto ptrace inject untraced; do
    run -0 --separate-stderr "$WARREN" run "--backend=$name" -- sh -c 'echo $$'
    [ "$output" = 1 ] && [ -z "$stderr" ]
    WARREN_BACKEND=$name run -0 --separate-stderr "$WARREN" run -- sh -c 'echo $$'
    [ "$output" = 1 ] && [ -z "$stderr" ]
  done
  # The option wins; a variable that says nothing is none.
  WARREN_BACKEND=x run -0 "$WARREN" run --backend=auto -- true
  WARREN_BACKEND='' run -0 "$WARREN" run -- true
}

@test "inside a container the back end is the container's" {
  need jq
  for name in ptrace inject untraced; do
    # The variable of the outer run reaches the inner one, and is not for it.
    WARREN_BACKEND=$name run -0 guest "$WARREN" run -- sh -c 'echo $$'
    [ "$output" = 1 ]
    run -0 guest "$WARREN" run --backend=auto -- true
    run -125 --separate-stderr guest "$WARREN" run "--backend=$name" -- true
    expect_error "run: --backend: $name: Operation not supported; this runs inside a container"
    run -0 "$WARREN" run "--backend=$name" --nest 2 -- "$WARREN" ps --json
    [ "$(jq -r '.[].backend' <<<"$output")" = "$name" ]
    run -0 "$WARREN" run "--backend=$name" -- "$WARREN" ns --json
    [ "$(jq -r '.[].backend' <<<"$output")" = "$name" ]
  done
}

@test "names of containers are checked" {
  for name in .x -x a/b a:b 'a b' "$(printf 'x%.0s' {1..65})" $'a\nb'; do
    run -125 --separate-stderr "$WARREN" run "--name=$name" -- true
    expect_error "run: --name"
  done
  run -125 --separate-stderr "$WARREN" ps ../x
  expect_error "Invalid argument"
}

@test "a command that is missing, a directory or not executable" {
  run -127 --separate-stderr "$WARREN" run -- no-such-command
  expect_error "no-such-command: No such file or directory"
  run -127 --separate-stderr "$WARREN" run -- /no/such/command
  expect_error "No such file or directory"
  run -126 --separate-stderr "$WARREN" run -- /tmp
  expect_error "Is a directory"
  touch plain
  run -126 --separate-stderr "$WARREN" run -- ./plain
  expect_error "Permission denied"
  run -127 --separate-stderr "$WARREN" run -- ''
  expect_error "No such file or directory"
}

@test "control characters of the user's do not reach the terminal" {
  run -127 --separate-stderr "$WARREN" run -- $'a\033[31mb\nc'
  expect_error 'a?[31mb?c'
}

@test "containers that do not run" {
  for command in "ps web" "ns web" "exec web -- true" "kill web" "kill web:2 -s INT 1"; do
    # shellcheck disable=SC2086
    run -125 --separate-stderr "$WARREN" $command
    expect_error "no such container is running; see 'warren ps'"
  done
}

@test "kill: bad signals and numbers" {
  run -125 --separate-stderr "$WARREN" kill web -s FROB
  expect_error "FROB"
  for number in 0 -1 x 1x 99999999999; do
    run -125 --separate-stderr "$WARREN" kill web -s TERM -- "$number"
    expect_error "$number: Invalid argument"
  done
}

@test "no containers: titles alone, and an empty list" {
  export WARREN_RUNTIME_DIR=$WORK/empty
  run -0 "$WARREN" ps
  [ "${#lines[@]}" -eq 1 ]
  run -0 "$WARREN" ns
  [ "${#lines[@]}" -eq 1 ]
  run -0 "$WARREN" ps --json
  [ "$output" = "[]" ]
}

@test "a runtime directory that others can enter is refused" {
  mkdir -m 755 open
  WARREN_RUNTIME_DIR=$WORK/open run -125 --separate-stderr "$WARREN" run -- true
  expect_error "$WORK/open: Operation not permitted"
  ln -s "$WORK" link
  WARREN_RUNTIME_DIR=$WORK/link run -125 --separate-stderr "$WARREN" run -- true
  expect_error "$WORK/link"
  WARREN_RUNTIME_DIR=$WORK/no/such run -125 --separate-stderr "$WARREN" run -- true
  expect_error "No such file or directory"
}

@test "output that goes nowhere is an error, not a crash" {
  run -125 --separate-stderr bash -c '"$0" ps >&-' "$WARREN"
  expect_error "standard output: Bad file descriptor"
  run -125 --separate-stderr bash -c '"$0" --help >/dev/full' "$WARREN"
  expect_error "No space left on device"
  run -125 bash -c '"$0" frobnicate 2>&-' "$WARREN"
  run -0 bash -c '"$0" ps <&- >/dev/null' "$WARREN"
  # As any program: the reader's end ends it without a word.
  run bash -c '"$0" --help | true; echo "${PIPESTATUS[0]}"' "$WARREN"
  [[ "$output" == 0 || "$output" == 141 ]]
}

@test "no colour in a pipe, with NO_COLOR, or on a dumb terminal" {
  need script
  plain() { ! grep -q $'\033' <<<"$1"; }
  run -0 "$WARREN" doctor
  plain "$output"
  run -0 script -qec "$WARREN doctor" /dev/null
  ! plain "$output"
  NO_COLOR=1 run -0 script -qec "$WARREN doctor" /dev/null
  plain "$output"
  TERM=dumb run -0 script -qec "$WARREN doctor" /dev/null
  plain "$output"
}

@test "doctor: warren can run where these tests run" {
  run -0 "$WARREN" doctor
  [ "${lines[-1]}" = "warren can run here." ]
  for check in kernel ptrace "seccomp filter" "user notification" "synchronous wake-up" landlock "pidfds in epoll" agent fuse "cgroup delegation"; do
    grep -qE "^(ok|limited|missing) +$check " <<<"$output"
  done
}

@test "doctor --json" {
  need jq
  run -0 "$WARREN" doctor --json
  [ "$(jq -r '.can_run' <<<"$output")" = true ]
  [ "$(jq -r '[.checks[].health] - ["ok", "limited", "missing"] | length' <<<"$output")" = 0 ]
  # Whatever is not ok says what that costs.
  [ "$(jq -r '[.checks[] | select(.health != "ok" and .cost == "")] | length' <<<"$output")" = 0 ]
}

@test "doctor names the back end that auto takes" {
  need jq
  local taken
  run -0 "$WARREN" doctor --json
  case $(jq -r '.checks[] | select(.name == "agent") | .health' <<<"$output") in
    ok)
      taken=untraced
      [ "$(jq -r '.checks[] | select(.name == "pidfds in epoll") | .health' <<<"$output")" = ok ] || taken=inject
      ;;
    limited | missing) taken=ptrace ;;
  esac
  [[ "$(jq -r '.checks[] | select(.name == "agent") | .detail' <<<"$output")" == *" takes $taken"* ]]
  run -0 "$WARREN" run --backend=auto -- "$WARREN" ps --json
  [ "$(jq -r '.[].backend' <<<"$output")" = "$taken" ]
}

# What doctor says, where the host lacks $1, of the check $2: its field $3.
doctor_without() {
  ./without "$1" "$WARREN" doctor --json | jq -r --arg name "$2" --arg field "$3" '.checks[] | select(.name == $name)[$field]'
}

# The back end of a container there.
backend_without() {
  ./without "$1" "$WARREN" run "--backend=$2" -- "$WARREN" ps --json | jq -r '.[].backend'
}

@test "a host without Landlock: auto takes ptrace, and who asks for inject gets it" {
  need jq cc
  compile without
  [ "$(doctor_without landlock landlock health)" = missing ]
  [ "$(doctor_without landlock agent health)" = limited ]
  [[ "$(doctor_without landlock agent detail)" == *"takes ptrace: "*Landlock* ]]
  [ "$(backend_without landlock auto)" = ptrace ]
  [ "$(backend_without landlock inject)" = inject ]
}

@test "a host without what the agent needs: auto takes ptrace, and inject is an error" {
  need jq cc
  compile without
  local thing why
  for thing in agent-address wipe-on-fork; do
    [ "$(doctor_without "$thing" agent health)" = missing ]
    why=$(doctor_without "$thing" agent detail)
    [[ "$why" == *"takes ptrace: "* ]]
    why=${why##*takes ptrace: }
    case $thing in
      agent-address) [[ "$why" == "guests cannot map code at 0x"*"vm.mmap_min_addr" ]] ;;
      wipe-on-fork) [[ "$why" == *"MADV_WIPEONFORK"*"Linux 4.14" ]] ;;
    esac
    [ "$(backend_without "$thing" auto)" = ptrace ]
    run -125 --separate-stderr ./without "$thing" "$WARREN" run --backend=inject -- true
    expect_error "run: --backend: inject: "
    [[ "$stderr" == *"; $why" ]]
    WARREN_BACKEND=inject run -125 --separate-stderr ./without "$thing" "$WARREN" run -- true
    expect_error "run: WARREN_BACKEND: inject: "
  done
}

@test "a host without synchronous wake-up" {
  need jq cc
  compile without
  [ "$(doctor_without sync-wake-up "synchronous wake-up" health)" = limited ]
  run -0 ./without sync-wake-up "$WARREN" run -- sh -c '(true); ps -o pid= -p $$ | tr -d " "'
  [ "$output" = 1 ]
}

@test "doctor: a place without user notification" {
  # warren's own guests may not install a listener of their own.
  run guest "$WARREN" doctor
  [ "$status" -eq 1 ]
  [ "${lines[-1]}" = "warren cannot run here." ]
  [[ "$output" == *"inside a container"* ]]
}

@test "man pages and completions are sound" {
  need man bash
  local root=$BATS_TEST_DIRNAME/../.. page
  for page in warren warren-run warren-ps warren-ns warren-top warren-exec warren-kill warren-group warren-freeze warren-thaw warren-move warren-mount warren-umount warren-doctor; do
    [ -f "$root/docs/man/$page.1" ]
    run -0 --separate-stderr env MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$root/docs/man/$page.1"
    [ -z "$stderr" ]
  done
  bash -n "$root/completions/warren.bash"
  if command -v zsh >/dev/null; then zsh -n "$root/completions/_warren"; fi
  if command -v fish >/dev/null; then fish -n "$root/completions/warren.fish"; fi
}

@test "every option stands in its man page and in each completion" {
  local root=$BATS_TEST_DIRNAME/../.. command option
  local -a commands=(run ps ns top exec kill freeze thaw move mount umount doctor)
  for command in create rm ls tree set get procs move kill; do commands+=("group $command"); done
  for command in "${commands[@]}"; do
    # shellcheck disable=SC2086
    for option in $("$WARREN" $command --help | grep -oE '^ +(-[a-zA-Z],)?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
      [ "$option" = --help ] && continue
      grep -q -- "${option//-/\\\\-}" "$root/docs/man/warren-${command%% *}.1" || { echo "man: $command $option" >&2; false; }
      grep -q -- "$option" "$root/completions/warren.bash" || { echo "bash: $option" >&2; false; }
      grep -q -- "$option" "$root/completions/_warren" || { echo "zsh: $option" >&2; false; }
      grep -qE -- "-l ${option#--}( |$)" "$root/completions/warren.fish" || { echo "fish: $option" >&2; false; }
    done
  done
}

# The words that bash would offer after typing "$1".
bash_offers() {
  bash -c '
    warren() { "$WARREN" "$@"; }
    . "$1"
    COMP_LINE=$2
    read -ra COMP_WORDS <<<"$2"
    [ "${2: -1}" = " " ] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _warren
    printf "%s\n" "${COMPREPLY[@]}"' - "$BATS_TEST_DIRNAME/../../completions/warren.bash" "$1"
}

@test "bash offers commands, options, signals and programs" {
  export WARREN
  [ "$(bash_offers 'warren k')" = kill ]
  [ "$(bash_offers 'warren group tr')" = tree ]
  [ "$(bash_offers 'warren group create --pa')" = --parents ]
  [ "$(bash_offers 'warren move web 1 --subsystem mem')" = memory ]
  [ "$(bash_offers 'warren run --de')" = --detach ]
  [ "$(bash_offers 'warren run --backend in')" = inject ]
  [ "$(bash_offers 'warren run --without pidfd-e')" = pidfd-epoll ]
  [ "$(bash_offers 'warren run --ask')" = --ask-paths ]
  bash_offers 'warren run --without landlock --ask-paths seq' | grep -qx seq
  [ "$(bash_offers 'warren run --backend = in')" = inject ]
  [ "$(bash_offers 'warren run --backend =' | tr '\n' ' ')" = "auto ptrace inject untraced " ]
  bash_offers 'warren run --backend = inject seq' | grep -qx seq
  [ "$(bash_offers 'warren kill web -s HU')" = HUP ]
  bash_offers 'warren run -- seq' | grep -qx seq
  bash_offers 'warren exec web seq' | grep -qx seq
}
