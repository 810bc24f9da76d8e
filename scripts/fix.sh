#!/bin/sh
# Formats, applies safe lint fixes, writes the generated files.
set -eu
cd "$(dirname "$0")/.."
node_modules/.bin/biome check --write .
node --disable-warning=ExperimentalWarning scripts/generate.ts
