#!/bin/sh
# Everything that can be said about the tree without running it. Writes nothing.
set -eu
cd "$(dirname "$0")/.."
node_modules/.bin/biome check --error-on-warnings .
node_modules/.bin/tsc -p tsconfig.json
node --disable-warning=ExperimentalWarning --test --test-reporter=dot scripts/tidy.test.ts
node --disable-warning=ExperimentalWarning scripts/generate.ts --check
