#!/bin/sh
# Everything that can be said about the tree without running it. Writes nothing.
set -eu
cd "$(dirname "$0")/.."
node_modules/.bin/biome check --error-on-warnings .
node_modules/.bin/tsc -p tsconfig.json
