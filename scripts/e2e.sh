#!/bin/sh
# Drives a local cluster as a user would. One file after the other: each has a cluster of its own and measures it.
set -eu
cd "$(dirname "$0")/.."
files=$(find e2e/src -name '*.test.ts' | sort)
# Caches outlive their nodes; those of clusters that are gone would fill the memory.
if [ -d /dev/shm ]; then
  caches=$(mktemp -d /dev/shm/thermocline-e2e-XXXXXX)
  trap 'rm -rf "$caches"' EXIT
  trap 'exit 130' INT TERM HUP
  export THERMOCLINE_CACHE_DIR="$caches" THERMOCLINE_VERSION_CACHE_DIR="$caches"
fi
# shellcheck disable=SC2086
node --disable-warning=ExperimentalWarning --test --test-reporter="${TEST_REPORTER:-dot}" --test-concurrency=1 --test-timeout=240000 ${*:-$files}
