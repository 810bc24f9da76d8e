#!/bin/sh
# Runs a program of Node with the addon that has sanitizers, in this process and those that it starts. What they find ends the process.
#   scripts/sanitized.sh node PROGRAM [ARGUMENT…]
set -eu
dir=$(cd "$(dirname "$0")/.." && pwd)
"$dir/scripts/build-addon.sh" sanitized
# Node is not built with sanitizers: what it holds at its end is no leak, and it frees what its own allocators made.
# Freed memory is kept for a while so that its use is noticed: little of it, so that growth shows.
export ASAN_OPTIONS="detect_leaks=0:alloc_dealloc_mismatch=0:quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
export NODE_OPTIONS="--conditions=sanitized${NODE_OPTIONS:+ $NODE_OPTIONS}"
LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" exec "$@"
