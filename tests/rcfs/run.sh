#!/usr/bin/env bash
# Runs the tests of groups as a file system; TAP on standard output.
#   run.sh [--warren PATH] [--backend NAME] [FILE.bats | bats option]...
# They need root: guests that mount are root, and /dev/fuse may be root's alone. Without root or
# FUSE this says so and exits 77, which ctest counts as skipped.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
warren=${WARREN:-$here/../../build/release/src/cli/warren}
backend=${WARREN_BACKEND:-auto}
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --warren) warren=$2; shift 2 ;;
    --backend) backend=$2; shift 2 ;;
    --help) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) arguments+=("$1"); shift ;;
  esac
done
[ -x "$warren" ] || { echo "run.sh: no warren at $warren; name one with --warren" >&2; exit 2; }
command -v bats >/dev/null || { echo "run.sh: bats is not installed; scripts/install-deps.sh installs it" >&2; exit 2; }
if [ "$(id -u)" -ne 0 ]; then
  echo "run.sh: SKIPPED: these tests run as root only" >&2
  exit 77
fi
if ! { exec 3<>/dev/fuse; } 2>/dev/null; then
  echo "run.sh: SKIPPED: no FUSE here (/dev/fuse cannot be opened)" >&2
  exit 77
fi
exec 3>&-
case " ${arguments[*]-} " in *.bats\ *) ;; *) arguments+=("$here") ;; esac

home=$(mktemp -d /tmp/warren-rcfs.XXXXXX)
trap 'rm -rf "$home"' EXIT
chmod 755 "$home"
mkdir -p "$home/tmp" "$home/run"
chmod 1777 "$home/tmp"
chmod 700 "$home/run"
cd "$home"
env -i WARREN="$(realpath "$warren")" WARREN_BACKEND="$backend" WARREN_AGENT_AFTER="${WARREN_AGENT_AFTER:-1}" \
  HOME="$home" TMPDIR="$home/tmp" XDG_RUNTIME_DIR="$home/run" \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=xterm \
  bats --tap ${arguments[@]+"${arguments[@]}"} </dev/null
