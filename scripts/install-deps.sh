#!/usr/bin/env bash
# Installs everything that building, testing and benchmarking warren needs, from Debian's or
# Ubuntu's own packages. The one list of dependencies.
#   scripts/install-deps.sh          build and test tools, and the programs that the tests run
#   scripts/install-deps.sh --check  installs nothing; names what is missing and exits 1 if anything is
set -euo pipefail

build=(g++ clang clang-format clang-tidy cmake ninja-build pkg-config ccache lld make)
libraries=(liburcu-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev
  libgtest-dev libgmock-dev libbenchmark-dev libfuse3-dev libncurses-dev)
tests=(bats busybox-static redis-server postgresql procps psmisc htop util-linux tmux git gdb
  perl python3 python3-pexpect nodejs file jq strace
  golang-go default-jdk-headless chromium qemu-user musl-tools fuse3 cgroup-tools)
bench=(proot hyperfine bubblewrap runsc libtool libltdl-dev)
# CPython's own tests come in a package that carries the interpreter's version in its name.
python_version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null ||
  apt-cache depends python3 2>/dev/null | sed -n 's/.*Depends: python\(3\.[0-9]*\)$/\1/p' | head -n 1)
tests+=("libpython${python_version:-3.11}-testsuite")

missing=()
for package in "${build[@]}" "${libraries[@]}" "${tests[@]}" "${bench[@]}"; do
  # A program that is on PATH from elsewhere (nodejs, cmake, ...) counts as installed.
  case "$package" in
    nodejs) command -v node >/dev/null && continue ;;
    ninja-build) command -v ninja >/dev/null && continue ;;
    g++ | clang | clang-format | clang-tidy | cmake | ccache | make | git | gdb | strace | tmux | perl | jq | file)
      command -v "$package" >/dev/null && continue ;;
  esac
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done

if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
if [ "${1:-}" = --check ]; then
  echo "install-deps: missing: ${missing[*]}" >&2
  exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "install-deps: these packages are missing, and neither root nor sudo is at hand: ${missing[*]}" >&2
    exit 1
  }
  sudo=(sudo)
fi
"${sudo[@]}" apt-get update -qq
# Database packages would start services of their own; nothing here wants them running.
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
  "${missing[@]}"
