# What people do here, by name; `make` alone lists it. Everything goes through cargo, so this works
# with CARGO_TARGET_DIR and whatever else cargo is told.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

CHAOS_SECONDS ?= 600
PROMETHEUS ?= http://localhost:9090
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# Programs are chosen by name out of the whole workspace and not by package: dependencies get the same
# features whichever is built, so that none is compiled twice.
BUILD := cargo build --release --workspace
SERVICES := $(notdir $(wildcard services/*))
# What `make demo` runs: the services, the operator's tool, the console, and the demo itself.
FLEET := $(addprefix --bin ,$(SERVICES) farandole farandole-console farandole-demo)

.PHONY: help
help: ## Show this help
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make <target>" } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ See it

.PHONY: demo
demo: fleet ## Start a whole fleet, play every way an order can go, and leave it to you (Ctrl-C ends it)
	@$(TARGET_DIR)/release/farandole-demo

.PHONY: smoke
smoke: fleet ## The same on free ports, then stop: a quick proof that everything works together
	@$(TARGET_DIR)/release/farandole-demo --smoke

.PHONY: stack
stack: prerequisites ## Start Kafka, the schema registry and Postgres alone, without Docker (Ctrl-C ends them)
	@$(BUILD) --bin farandole-stack
	@$(TARGET_DIR)/release/farandole-stack

.PHONY: observe
observe: prometheus ## Start Prometheus with the alerts beside the fleet of `make demo` (Ctrl-C ends it)
	@tools/observe

.PHONY: dashboards-look
dashboards-look: ## Draw the dashboards without Grafana, from what a PROMETHEUS has, into target/dashboards
	@python3 tests/observability/look.py $(or $(PROMETHEUS),http://127.0.0.1:9090) $(TARGET_DIR)/dashboards

##@ Measure it

.PHONY: bench
bench: fleet-and-bench ## Measure rate, latency, cost and more, and write docs/performance (BENCH_ARGS)
	@$(TARGET_DIR)/release/farandole-bench --out docs $(BENCH_ARGS)

.PHONY: bench-against
bench-against: release ## Compare with another build, the one in AGAINST, in turns (BENCH_ARGS)
	@$(TARGET_DIR)/release/farandole-bench --against $(AGAINST) $(BENCH_ARGS)

.PHONY: bench-check
bench-check: fleet-and-bench ## Check by ratios and counts that batches do what they are for (a minute and a half)
	@$(TARGET_DIR)/release/farandole-bench check

.PHONY: bench-micro
bench-micro: prerequisites ## Measure single steps: encode, decode, headers, decide
	cargo bench --package farandole-tests --bench micro

##@ Work on it

.PHONY: test
test: prometheus chromium ## Run all tests, on a stack of their own
	cargo build --workspace --all-targets
	$(TARGET_DIR)/debug/farandole-stack exec -- cargo test --workspace

.PHONY: quick
quick: check ## Check what needs neither Kafka nor Postgres: lints, unit tests, tables, architecture, model
	cargo test --quiet --workspace --lib --bins
	cargo test --quiet $(addprefix --package ,$(SERVICES)) --test it -- declaration:: domain:: properties:: schemas::
	cargo test --quiet --package farandole-tests --test it -- architecture:: catalogue::every_version
	cargo test --quiet --package farandole-compatibility --package farandole-catalogue --package farandole-fuzz
	cargo test --quiet --package farandole-model

.PHONY: console-look
console-look: chromium ## Use the console in a browser, and leave pictures of its pages in target/console-pictures
	cargo build --workspace --all-targets
	$(TARGET_DIR)/debug/farandole-stack exec -- cargo test --workspace --test it -- browser::

.PHONY: api-check
api-check: fleet ## Hold the APIs against their descriptions, with Schemathesis (two minutes)
	@tests/api/check $(TARGET_DIR)/release

.PHONY: chaos
chaos: fleet ## Break everything at random for ten minutes, under load (CHAOS_SECONDS, CHAOS_SEED)
	CHAOS_SECONDS=$(CHAOS_SECONDS) FARANDOLE_PROGRAMS=$(abspath $(TARGET_DIR))/release \
	  cargo test --package farandole-tests --test it -- --nocapture chaos::

.PHONY: compose-check
compose-check: ## Try docker-compose.yml and the images, with an engine and stand-ins for public images
	@tests/compose/stand-ins/run tests/compose/check

.PHONY: model
model: prerequisites ## Check decisions, relay and calls in every order of things (a few minutes)
	@$(BUILD) --bin farandole-model
	@$(TARGET_DIR)/release/farandole-model

.PHONY: queries
queries: prerequisites ## Write into each crate's .sqlx what its checked queries need of the databases
	@cargo build --workspace --bin farandole-queries
	@$(TARGET_DIR)/debug/farandole-queries write

.PHONY: queries-check
queries-check: prerequisites ## Check that each crate's .sqlx is what `make queries` writes
	@cargo build --workspace --bin farandole-queries
	@$(TARGET_DIR)/debug/farandole-queries check

.PHONY: render
render: prerequisites ## Write what follows from the services' code: declarations, and parts of other files
	FARANDOLE_RENDER=1 cargo test --quiet $(addprefix --package ,$(SERVICES)) --test it -- declaration::
	FARANDOLE_RENDER=1 cargo test --quiet --package farandole-compatibility --test it -- document::
	FARANDOLE_RENDER=1 cargo test --quiet --package farandole-console --bins -- golden::
	@cargo build --workspace --bin farandole-render
	@$(TARGET_DIR)/debug/farandole-render

.PHONY: docs
docs: prerequisites ## Write the catalogue of events (docs/catalogue), and all else that follows from the declarations
	@cargo build --workspace --bin farandole-render
	@$(TARGET_DIR)/debug/farandole-render

.PHONY: examples
examples: prerequisites ## Record a real event of each type for the catalogue, and write the catalogue
	cargo build --workspace --all-targets
	FARANDOLE_RENDER=1 $(TARGET_DIR)/debug/farandole-stack exec -- \
	  cargo test --quiet --package farandole-tests --test it -- catalogue::examples
	@$(TARGET_DIR)/debug/farandole-render

.PHONY: contracts-check
contracts-check: prerequisites ## Check that no change of an event breaks anyone, and that every failure is undone
	@cargo build --workspace --bin farandole
	@$(TARGET_DIR)/debug/farandole contracts check
	@$(TARGET_DIR)/debug/farandole graph --check

.PHONY: alerts-check
alerts-check: prometheus ## Have things happen to a fleet, and see that the right alert is raised, and no other (four minutes)
	@cargo build --workspace --all-targets
	@cargo test --workspace --test it -- --ignored --nocapture alerts::

.PHONY: rules-check
rules-check: prometheus ## Try the rules for Prometheus, and whether their tests would see a wrong one (half an hour)
	cargo test --quiet --package farandole-observability -- --include-ignored

.PHONY: fuzz
fuzz: prerequisites ## Make up what comes from outside, with LLVM's fuzzer, for ten minutes (FUZZ_SECONDS)
	@tests/fuzz/run

.PHONY: scaffold-check
scaffold-check: prometheus ## Add a service by the generator, and try it in a fleet (some minutes; needs a clean tree)
	@tests/scaffold/check

.PHONY: check
check: prerequisites ## Check formatting, lints and the crates' documentation, as CI does
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --document-private-items

.PHONY: deny
deny: prerequisites ## Check the licences, the sources and the versions of all dependencies (a minute at first)
	@tools/deny

.PHONY: fmt
fmt: ## Format all code
	cargo fmt --all

.PHONY: build
build: prerequisites ## Build everything for debugging
	cargo build --workspace

.PHONY: release
release: prerequisites ## Build all programs for use
	$(BUILD) --bins

.PHONY: fleet
fleet: prerequisites
	$(BUILD) $(FLEET)

.PHONY: fleet-and-bench
fleet-and-bench: prerequisites
	$(BUILD) $(FLEET) --bin farandole-bench

.PHONY: doc
doc: prerequisites ## Build the documentation of the crates
	cargo doc --workspace --no-deps

.PHONY: ci
ci: ## Do all that CI does
	@.ci/run

##@ The machine

.PHONY: prerequisites
prerequisites: ## Install what building needs (as root on Debian), or say what is missing
	@tools/prerequisites

.PHONY: prometheus
prometheus: # The same, and what the tests of the alerts need; fetched by those alone
	@tools/prerequisites prometheus

.PHONY: chromium
chromium: # The same, and the browser of the console's tests; fetched by those alone
	@tools/prerequisites chromium

.PHONY: clean-cache
clean-cache: ## Remove the fetched Kafka, registry and Postgres (the next start fetches them again)
	rm -rf "$${FARANDOLE_CACHE:-$$(if [ "$$(id -u)" = 0 ]; then echo /var/cache; \
	  else echo "$${XDG_CACHE_HOME:-$$HOME/.cache}"; fi)/farandole}"
