# Shared by the tests of containers in the background: `load containers`.

load helper

setup_file() { command -v jq >/dev/null || { echo "jq is not installed (scripts/install-deps.sh)" >&2; return 1; }; }

warren() { timeout --foreground -k 5 "${LIMIT:-60}" "$WARREN" "$@"; }

# Starts a detached container; its name is $name. Options of `warren run`, --, a program.
start_container() {
  name="e$BATS_TEST_NUMBER-$$"
  local printed
  printed=$(timeout 30 "$WARREN" run --detach --name "$name" "$@" 3>&-)
  [ "$printed" = "$name" ]
}
detached() { start_container "$@"; }

listed() { "$WARREN" ps --json | jq -e --arg name "$name" 'any(.[]; .name == $name)' >/dev/null; }
not_listed() { ! listed; }

end() {
  "$WARREN" kill "$name"
  eventually 20 not_listed
  eventually 20 no_survivors
}

# A file of one of its groups.
file() { warren group get "$name" "$1" "$2"; }
file_is() { [ "$(file "$1" "$2")" = "$3" ]; }
