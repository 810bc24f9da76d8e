#!/bin/sh
# Drives a local cluster as a user would. One file after the other: each has a cluster of its own and measures it.
set -eu
cd "$(dirname "$0")/.."
files=$(find e2e/src -name '*.test.ts' | sort)
# shellcheck disable=SC2086
exec node --disable-warning=ExperimentalWarning --test --test-reporter="${TEST_REPORTER:-dot}" --test-concurrency=1 --test-timeout=240000 ${*:-$files}
