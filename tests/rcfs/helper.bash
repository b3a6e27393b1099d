# Shared by the tests of the file system: as the end-to-end tests have it, but as root, and with a
# container and a directory for each test.

load ../e2e/helper

OTHER=65534 # an ordinary user: nobody

setup() {
  [ "$(id -u)" -eq 0 ] || { echo "these tests are for root: start them with run.sh" >&2; return 1; }
  WORK=$BATS_TEST_TMPDIR
  export E2E_MARK="warren-rcfs-$BASHPID-$RANDOM$RANDOM"
  chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$WORK" 2>/dev/null || true
  cd "$WORK" || return 1
  DIR=$WORK/groups
  mkdir "$DIR"
  NAME=rcfs$RANDOM$RANDOM
}

# A container with a process 1 that does nothing.
start_container() {
  "$WARREN" run --name "$NAME" -d -- sleep 1000 >/dev/null
  SUPERVISOR=$("$WARREN" ps "$NAME" --json | jq '.[0].supervisor')
}

# One whose groups are mounted at $DIR.
mounted_container() {
  start_container
  "$WARREN" mount "$@" "$NAME" "$DIR"
}

# The number on the host of a process of the container that sleeps; the first one is process 1.
sleeper() {
  "$WARREN" exec "$NAME" -- sh -c 'sleep 1000 >/dev/null 2>&1 & echo $!' >"$WORK/nr"
  "$WARREN" ps "$NAME" --json | jq ".[0].tasks[] | select(.nrs[-1] == $(cat "$WORK/nr")) | .nrs[0]"
}

# The command must fail with this errno, by its text.
fails_with() {
  local text=$1
  shift
  run --separate-stderr "$@"
  if [ "$status" -eq 0 ] || [[ "$stderr" != *"$text"* ]]; then
    echo "expected failure with '$text', got $status: $output $stderr" >&2
    return 1
  fi
}

# The command must succeed; what it says is shown if it does not.
must() {
  run "$@"
  [ "$status" -eq 0 ] || { echo "$output" >&2; return 1; }
}

is_mounted() { grep -q " $1 fuse.rcfs " /proc/self/mounts; }
not_mounted() { ! is_mounted "$1"; }

# A guest with a mount namespace of its own; $1 in its script is $DIR.
in_guest() { LIMIT=120 must guest unshare -m --propagation private bash -euc "$1" bash "$DIR"; }

# Writes $1 to the file $2 by one write(2).
put() { printf '%s' "$1" >"$2"; }

as_other() { setpriv --reuid=$OTHER --regid=$OTHER --clear-groups --inh-caps=-all "$@"; }
