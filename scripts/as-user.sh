#!/usr/bin/env bash
# Runs a command as an ordinary user with a home directory of its own, from root or from an ordinary
# user alike: scripts/as-user.sh DIRECTORY CMD...
# DIRECTORY becomes the home and the working directory. Root becomes the user who called sudo, or
# else nobody, and gives DIRECTORY away to that user first.
set -euo pipefail

directory=${1:?usage: as-user.sh DIRECTORY CMD...}
shift
drop=()
if [ "$(id -u)" -eq 0 ]; then
  uid=${SUDO_UID:-65534} gid=${SUDO_GID:-65534}
  if [ "$uid" -eq 0 ]; then uid=65534 gid=65534; fi
  chown -R "$uid:$gid" "$directory"
  drop=(setpriv --reuid="$uid" --regid="$gid" --clear-groups --inh-caps=-all)
fi
cd "$directory"
# Root's own configuration (version managers, runtime directories) is of no use to that user.
exec env -i HOME="$directory" TERM="${TERM:-dumb}" LANG=C.UTF-8 \
  PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin ${NO_COLOR:+NO_COLOR="$NO_COLOR"} \
  "${drop[@]}" "$@"
