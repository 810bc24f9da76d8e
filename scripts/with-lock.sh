#!/bin/sh
# Runs a command while holding the one lock of this machine for work that needs it quiet: benchmarks, the simulator, the
# end-to-end tests. Says what it waits for. Without flock (util-linux) the command runs as it is.
#   scripts/with-lock.sh WHAT COMMAND [ARGUMENT…]
set -eu
what=$1
shift
if [ "${THERMOCLINE_LOCK_HELD:-}" = 1 ] || ! command -v flock >/dev/null 2>&1; then exec "$@"; fi
lock=${XDG_RUNTIME_DIR:-/tmp}/thermocline.lock
# The holder writes into a file of its own: whoever waits must not truncate what it says.
holder=$lock.holder
exec 9>>"$lock"
if ! flock --nonblock 9; then
  echo "$what: waiting for $lock, held by $(cat "$holder" 2>/dev/null || echo 'another process')" >&2
  flock 9
fi
echo "$what (process $$, $PWD, since $(date +%H:%M:%S))" >"$holder"
export THERMOCLINE_LOCK_HELD=1
# Servers that the command leaves behind must not hold the lock for it.
status=0
"$@" 9>&- || status=$?
rm -f "$holder"
exit $status
