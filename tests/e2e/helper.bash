# Shared by the end-to-end tests: one directory and one marker for each test, ways to start guests,
# and the check that every test ends with: none of its processes is left on the host.
#
# A guest inherits the marker in its environment, so the host's /proc tells which processes belong
# to a test whatever became of their parents, sessions and names.

bats_require_minimum_version 1.5.0

: "${WARREN:=$BATS_TEST_DIRNAME/../../build/release/src/cli/warren}"
PROGRAMS=$BATS_TEST_DIRNAME/programs

setup() {
  [ -x "$WARREN" ] || { echo "no warren at $WARREN" >&2; return 1; }
  [ "$(id -u)" -ne 0 ] || { echo "these tests are for an ordinary user: start them with run.sh" >&2; return 1; }
  WORK=$BATS_TEST_TMPDIR
  export E2E_MARK="warren-e2e-$BASHPID-$RANDOM$RANDOM"
  cd "$WORK" || return 1
}

# Processes of this test that still run. The test's own shells carry the marker in a variable only,
# not in the environment that they began with; the grep that looks does, and is left out.
survivors() {
  local file pid name
  grep -lzx -- "E2E_MARK=$E2E_MARK" /proc/[0-9]*/environ 2>/dev/null | while read -r file; do
    pid=${file#/proc/}
    pid=${pid%/environ}
    name=
    read -r name 2>/dev/null <"/proc/$pid/comm" || continue
    [ "$name" = grep ] || echo "$pid"
  done
}

# Seconds, then a command that shall come true in that time.
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    if [ "$SECONDS" -ge "$end" ]; then
      echo "not in time: $*" >&2
      return 1
    fi
    read -r -t 0.05 <> <(:) || true
  done
}

gone() { ! kill -0 "$1" 2>/dev/null; }

no_survivors() { [ -z "$(survivors)" ]; }

teardown() {
  local left
  left=$(survivors)
  if [ -n "$left" ]; then
    echo "left behind on the host:" >&2
    # shellcheck disable=SC2086
    ps -o pid,ppid,stat,args -p $(echo $left | tr ' ' ,) >&2
    # shellcheck disable=SC2086
    kill -KILL $left 2>/dev/null
    return 1
  fi
}

# A guest with a time limit. Whatever it leaves behind, teardown finds.
guest() { timeout --foreground -k 5 "${LIMIT:-60}" "$WARREN" run -- "$@"; }

# The output must be the lines of standard input, exactly.
expect_output() {
  local expected
  expected=$(cat)
  if [ "$output" != "$expected" ]; then
    { echo "expected:"; echo "$expected"; echo "got:"; echo "$output"; } >&2
    return 1
  fi
}

# A C program from programs/, built for this test.
compile() { cc -O1 -Wall -o "$WORK/$1" "$PROGRAMS/$1.c" "${@:2}"; }

need() {
  local program
  for program; do
    command -v "$program" >/dev/null || { echo "$program is not installed (scripts/install-deps.sh)" >&2; return 1; }
  done
}
