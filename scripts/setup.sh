#!/bin/sh
# Brings a bare machine to where everything here builds and runs: npm packages (Node 24 among them), RocksDB's headers,
# the addon. Idempotent; does nothing in a tree that is set up. Says plainly what it cannot install.
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*"; }
need() {
  command -v "$1" >/dev/null 2>&1 || {
    say "'$1' is missing; install $2 and run this again" >&2
    exit 1
  }
}

need node "Node.js (any version ≥ 20; Node 24 itself comes through npm)"
need npm "npm"

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.setup-stamp ]; then
  say "installing npm packages"
  npm ci --ignore-scripts --loglevel=error
  touch node_modules/.setup-stamp
fi

headers() { [ -e /usr/include/rocksdb/db.h ] || [ -e /usr/local/include/rocksdb/db.h ] || [ -e /opt/homebrew/include/rocksdb/db.h ]; }
xxhash() { [ -e /usr/include/xxhash.h ] || [ -e /usr/local/include/xxhash.h ] || [ -e /opt/homebrew/include/xxhash.h ]; }
if ! headers || ! xxhash; then
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    say "installing librocksdb-dev and libxxhash-dev through apt"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends librocksdb-dev libxxhash-dev >/dev/null
  elif command -v brew >/dev/null 2>&1; then
    say "installing rocksdb and xxhash through brew"
    brew install rocksdb xxhash
  else
    say "RocksDB's and xxHash's headers are missing and need root to install:" >&2
    say "  sudo apt-get install librocksdb-dev libxxhash-dev     (Debian, Ubuntu)" >&2
    exit 1
  fi
fi

need g++ "a C++17 compiler (apt-get install g++)"
need make "make"
need python3 "python3 (node-gyp runs on it)"
sh scripts/build-addon.sh
