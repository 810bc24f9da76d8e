#!/bin/sh
# Unit tests, protocol conversations, the simulator and what it must catch, hostile inputs; or the unit tests of the folders given.
# Tests stand beside what they test, as *.test.ts.
set -eu
cd "$(dirname "$0")/.."
all=$#
if [ $# = 0 ]; then set -- protocol native node operator client cli checker simulation scripts bench; fi
files=$(find "$@" -name '*.test.ts' -not -path '*/node_modules/*' -not -path '*/dist/*' | sort)
# shellcheck disable=SC2086
node --disable-warning=ExperimentalWarning --test --test-reporter="${TEST_REPORTER:-dot}" --test-concurrency=2 $files
if [ "$all" = 0 ]; then
  # A seed takes one core: two halves take two. The second runs at extreme bounds.
  half=$((${SEEDS:-2000} / 2))
  node --disable-warning=ExperimentalWarning node/sim/src/main.ts --seeds "$half" &
  node --disable-warning=ExperimentalWarning node/sim/src/main.ts --from $((half + 1)) --seeds "$half" --bounds small || { kill $!; exit 1; }
  wait $!
  node --disable-warning=ExperimentalWarning node/sim/src/mutants/main.ts
  scripts/sanitized.sh node --disable-warning=ExperimentalWarning node/fuzz/src/main.ts --inputs "${FUZZ_INPUTS:-100000}"
fi
