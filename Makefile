# The front door: short names for what scripts/ does. `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-kill-deployments test-debian13 bench lint format fuzz clean

# The steps start builds and servers of their own; flags such as -j or -n of this make are not meant for them.
unexport MAKEFLAGS MFLAGS MAKELEVEL

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the packages that building needs (asks apt only when some are missing)
	@scripts/setup

build: ## Build build/release/llm-manager (JOBS=n limits the compilers)
	@scripts/setup
	@scripts/build release

demo: ## From nothing to an answer: setup, build, engine, start, pull, deploy, ask (ONCE=1: then stop)
	@scripts/setup
	@scripts/build release
	@scripts/demo

test: ## Run every test (SANITIZE=address or SANITIZE=thread: under that sanitizer)
	@scripts/setup --for test
	@scripts/test $(if $(SANITIZE),--sanitize $(SANITIZE))

test-kill-deployments: ## Kill engines and managers by the hundred (KILLS=200)
	@scripts/setup --for test
	@scripts/build release
	@scripts/test-kill-deployments $(KILLS)

test-debian13: ## Build and unit-test the last commit in a clean Debian 13 (as root)
	@scripts/test-debian13

bench: ## Compare with named peers on this machine
	@scripts/setup --for bench
	@scripts/build release
	@bench/run

lint: ## Check formatting, scripts, layering and sizes
	@scripts/setup --for lint
	@scripts/lint

format: ## Rewrite the C++ sources in the project's format
	@scripts/setup --for lint
	@scripts/format

fuzz: ## Run every fuzz target (SECONDS_EACH=60)
	@scripts/setup --for test
	@scripts/fuzz

clean: ## Remove everything that was built
	@rm -rf build
