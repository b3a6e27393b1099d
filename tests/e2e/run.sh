#!/usr/bin/env bash
# Runs the end-to-end tests as an ordinary user; TAP on standard output.
#   run.sh [--warren PATH] [--backend NAME] [--user NAME] [FILE.bats | bats option]...
# Started by root it becomes `tester`, or `nobody` where there is no such user: warren is for people
# without privilege, and so are its tests.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
warren=${WARREN:-$here/../../build/release/src/cli/warren}
user=${WARREN_TEST_USER:-}
backend=${WARREN_BACKEND:-auto}
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --warren) warren=$2; shift 2 ;;
    --backend) backend=$2; shift 2 ;;
    --user) user=$2; shift 2 ;;
    *.bats) arguments+=("$(realpath "$1")"); shift ;;
    --help) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) arguments+=("$1"); shift ;;
  esac
done
[ -x "$warren" ] || { echo "run.sh: no warren at $warren; name one with --warren" >&2; exit 2; }
command -v bats >/dev/null || { echo "run.sh: bats is not installed; scripts/install-deps.sh installs it" >&2; exit 2; }
WARREN=$(realpath "$warren")
files=false
for argument in ${arguments[@]+"${arguments[@]}"}; do
  case "$argument" in *.bats) files=true ;; esac
done
$files || arguments+=("$here")

home=$(mktemp -d /tmp/warren-e2e.XXXXXX)
trap 'chmod -R u+w "$home" 2>/dev/null; rm -rf "$home"' EXIT
become=()
if [ "$(id -u)" -eq 0 ]; then
  [ -n "$user" ] || { id tester >/dev/null 2>&1 && user=tester || user=nobody; }
  chown "$user" "$home"
  become=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --inh-caps=-all)
fi
mkdir -p "$home/tmp" "$home/run"
[ -z "$user" ] || chown "$user" "$home/tmp" "$home/run"
chmod 700 "$home/run"
cd "$home"
# Nothing of the caller's set-up (language managers on PATH, locale, prompts) reaches the guests.
run=(
  "${become[@]}" env -i WARREN="$WARREN" WARREN_BACKEND="$backend" WARREN_AGENT_AFTER="${WARREN_AGENT_AFTER:-1}" HOME="$home" TMPDIR="$home/tmp"
  XDG_RUNTIME_DIR="$home/run" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  LC_ALL=C.UTF-8 TERM=xterm ${user:+USER=$user LOGNAME=$user}
)
"${run[@]}" "$WARREN" run -- true </dev/null || { echo "run.sh: no container runs here" >&2; exit 2; }
"${run[@]}" bats --tap ${arguments[@]+"${arguments[@]}"} </dev/null
