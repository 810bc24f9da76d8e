#!/bin/sh
# Prints a folder with a peer to measure beside: the one on PATH, or Debian's, unpacked once and not installed, with the
# libraries that the machine lacks.
#   scripts/peer-tools.sh redis-server | memcached
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
  # In Debian redis-server is a link to a program of redis-tools.
  redis-server) packages='redis-server redis-tools libjemalloc2 liblzf1 libatomic1' ;;
  memcached) packages='memcached libevent-2.1-7 libsasl2-2' ;;
  *)
    echo "peer-tools: '${1:-}' is neither redis-server nor memcached" >&2
    exit 2
    ;;
esac
if command -v "$1" >/dev/null 2>&1; then
  dirname "$(command -v "$1")"
  exit 0
fi
out=$PWD/.cache/$1
if [ ! -x "$out/bin/$1" ]; then
  command -v apt-get >/dev/null 2>&1 || {
    echo "$1 is missing; put it on PATH" >&2
    exit 1
  }
  mkdir -p "$out/packages" "$out/bin"
  # shellcheck disable=SC2086
  (cd "$out/packages" && { apt-get download -qq $packages || { apt-get update -qq && apt-get download -qq $packages; }; }) >&2 2>/dev/null || {
    echo "$1 is missing, and apt-get could not download $packages; put it on PATH" >&2
    exit 1
  }
  for package in "$out"/packages/*.deb; do dpkg -x "$package" "$out"; done
  # Written last and at once: two of us may be at it.
  cat >"$out/bin/.$1.$$" <<WRAPPER
#!/bin/sh
here=\$(dirname "\$0")/..
for folder in "\$here"/usr/lib/*-linux-gnu* "\$here"/lib/*-linux-gnu*; do LD_LIBRARY_PATH=\${LD_LIBRARY_PATH:+\$LD_LIBRARY_PATH:}\$folder; done
export LD_LIBRARY_PATH
exec "\$here/usr/bin/$1" "\$@"
WRAPPER
  chmod 0755 "$out/bin/.$1.$$"
  mv "$out/bin/.$1.$$" "$out/bin/$1"
fi
echo "$out/bin"
