# Every task of the project. `make` alone lists them.
#
# One selection of crates and features everywhere (SELECTION), because another one gives DataFusion another identity and
# compiles it again: ten minutes on two cores. See docs/adr/0017.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export CARGO_TARGET_DIR ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/cupola/target
SELECTION := --workspace --features cupola/embed-web
CUPOLA := $(CARGO_TARGET_DIR)/debug/cupola
BENCH_CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/cupola/bench
BENCHED := $(CARGO_TARGET_DIR)/$(if $(BENCH_QUICK),debug,release)
# More flags for `make run`, e.g. ARGS="--http-listen 127.0.0.1:9000", or for `make bench`, e.g. ARGS="--only ingest,answers".
ARGS ?=

WEB_SOURCES := $(shell find web -name node_modules -prune -o -name dist -prune -o -type f -print 2>/dev/null)
# npm writes this file last, so it is as new as the installation.
WEB_INSTALLED := web/node_modules/.package-lock.json
WEB_BUILT := web/dist/index.html

.PHONY: help run build web test check fmt fmt-check tidy lint test-rust test-web e2e gen bench fuzz setup

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: build ## build everything and start it with the demo app: http://127.0.0.1:8080
	exec $(CUPOLA) demo $(ARGS)

build: web ## build the page and the program
	cargo build $(SELECTION)

web: $(WEB_BUILT) ## build the page, when its sources are newer than what is built

$(WEB_INSTALLED): web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

$(WEB_BUILT): $(WEB_SOURCES) $(WEB_INSTALLED)
	cd web && npm run build
	@touch $@

# The quick ones first: what can fail in a second should not wait for a build.
test: fmt-check tidy lint test-rust test-web e2e ## everything that must hold: format, house rules, lints, all tests, end to end
	@echo "make test: all passed"

check: fmt-check tidy lint test-rust ## what to run before a commit: as test, without page and end to end

fmt: ## format the Rust code
	cargo fmt --all


fmt-check:
	cargo fmt --all --check

# The rules look at all dependencies without a network, so all have to be there.
tidy: ## the rules of the house: layers, headers, licences, links
	cargo fetch --locked --target $$(rustc -vV | sed -n 's/^host: //p')
	cargo test --package tidy

# rust-embed wants the folder to be there, so the page comes first.
lint: web ## clippy, warnings are errors
	cargo clippy $(SELECTION) --all-targets -- -D warnings

test-rust: web ## unit and integration tests of all crates
	cargo test $(SELECTION)

test-web: $(WEB_INSTALLED) ## type check and unit tests of the page
	cd web && npx tsc --noEmit && npm test

e2e: build ## real SDKs and a real browser against the real program
	CUPOLA_BIN=$(CUPOLA) e2e/run.sh

gen: build ## write again what is generated: OpenAPI document, its TypeScript types, settings reference
	$(CUPOLA) openapi > crates/server/openapi.json
	mkdir -p docs/reference && $(CUPOLA) settings > docs/reference/settings.md
	cd web && npm run gen

# The smoke run shows that every row of the report gets a number, for which the build of the tests is good enough.
bench: web ## measure everything into bench/REPORT.md, optimised build, on an idle machine; BENCH_QUICK=1 for a smoke run
	cargo build $(SELECTION) $(if $(BENCH_QUICK),,--release)
	mkdir -p $(BENCH_CACHE)
	$(BENCHED)/report --cupola $(BENCHED)/cupola --cache $(BENCH_CACHE) $(if $(BENCH_QUICK),--quick) \
		--out $(if $(BENCH_QUICK),$(BENCH_CACHE)/QUICK.md,bench/REPORT.md) $(ARGS)

# Seconds a target, and which; all by default.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?=

fuzz: ## look for inputs that break a promise, ten minutes a target (FUZZ_SECONDS, FUZZ_TARGETS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz/run.sh $(FUZZ_TARGETS)

setup: ## install what a Debian machine lacks (as root), say what is missing elsewhere
	@.ci/setup
