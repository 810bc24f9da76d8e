#!/bin/sh
# Prints a folder with prometheus and promtool: those of the machine, or Debian's, unpacked once and not installed.
set -eu
cd "$(dirname "$0")/.."
if command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1; then
  dirname "$(command -v promtool)"
  exit 0
fi
out=$PWD/.cache/prometheus
if [ ! -x "$out/usr/bin/promtool" ]; then
  command -v apt-get >/dev/null 2>&1 || {
    echo "prometheus and promtool are missing; put them on PATH" >&2
    exit 1
  }
  mkdir -p "$out/packages"
  (cd "$out/packages" && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; }) >&2 2>/dev/null
  dpkg -x "$out"/packages/prometheus_*.deb "$out"
fi
echo "$out/usr/bin"
