#!/bin/sh
# Runs the unit tests of the folders given, or of all. Tests stand beside what they test, as *.test.ts.
set -eu
cd "$(dirname "$0")/.."
if [ $# = 0 ]; then set -- protocol native node client cli scripts bench; fi
files=$(find "$@" -name '*.test.ts' -not -path '*/node_modules/*' | sort)
# shellcheck disable=SC2086
exec node --disable-warning=ExperimentalWarning --test --test-reporter="${TEST_REPORTER:-dot}" --test-concurrency=2 $files
