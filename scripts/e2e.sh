#!/bin/sh
# Drives a local cluster as a user would, and one on Kubernetes; or the files given. One file after the other, for each has a cluster of
# its own; but those on Kubernetes, which mostly wait for it, run beside the others.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/thermocline-e2e-XXXXXX")
caches=
kube=
clean() {
  if [ -n "$kube" ]; then kill "$kube" 2>/dev/null || true; fi
  rm -rf "$work" ${caches:+"$caches"}
}
trap clean EXIT
trap 'exit 130' INT TERM HUP
# Caches outlive their nodes; those of clusters that are gone would fill the memory.
if [ -d /dev/shm ]; then
  caches=$(mktemp -d /dev/shm/thermocline-e2e-XXXXXX)
  export THERMOCLINE_CACHE_DIR="$caches" THERMOCLINE_VERSION_CACHE_DIR="$caches"
fi
# `exec`, where it runs in the background: a signal to it is one to node.
tests="node --disable-warning=ExperimentalWarning --test --test-reporter=${TEST_REPORTER:-dot} --test-reporter-destination=stdout --test-concurrency=1 --test-timeout=240000"
# shellcheck disable=SC2086
if [ $# -gt 0 ]; then
  $tests "$@"
  exit
fi
# shellcheck disable=SC2046,SC2086
(exec $tests $(find e2e/src/kube -name '*.test.ts' | sort)) >"$work/kube.log" 2>&1 &
kube=$!
status=0
# shellcheck disable=SC2046,SC2086
$tests --test-reporter=spec --test-reporter-destination="$work/local.log" \
  $(find e2e/src -name '*.test.ts' -not -path '*/kube/*' | sort) || status=$?
tail -n +1 -f --pid="$kube" "$work/kube.log"
wait "$kube" || status=$?
kube=
# What failed first is last again: the report of the other tests has come between.
sed -n '/failing tests:/,$p' "$work/local.log"
exit "$status"
