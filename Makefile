# The front door: short names for what scripts/ does. `make` lists them.
.DEFAULT_GOAL := help
# Every target is a word, none is a file.
.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*\#\#.*/\1/p' Makefile)

# The steps start builds and servers of their own; flags such as -j or -n of this make are not meant for them.
unexport MAKEFLAGS MFLAGS MAKELEVEL

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

test-memory: ## Compare the estimate of memory with what llama-server takes, for all shapes of models
	@scripts/setup --for test
	@scripts/build release unit-tests
	@LLMM_MEMORY_SHAPES=all LLM_MANAGER_LLAMA_SERVER="$$(scripts/install-llama-server)" build/release/unit-tests --gtest_filter='*MeasuredMemory*'

test-docker: ## Deployments in containers of a Docker Engine that the tests start (as root)
	@scripts/setup --for test
	@scripts/build release
	@LLM_MANAGER_LLAMA_SERVER="$$(scripts/install-llama-server)" /usr/bin/python3 -m pytest -q tests/functional/test_containers.py

test-debian12: ## make demo and make test of the last commit in a clean Debian 12 (as root)
	@scripts/test-debian 12

test-kill-chat: ## 1,000 chats while engine and manager are killed at random, on both databases (KILL_SEED=1)
	@scripts/setup --for test
	@scripts/build release
	@KILL_CHATS=$(or $(KILL_CHATS),1000) /usr/bin/python3 -m pytest -q -s tests/functional/test_kill_chat.py

test-debian13: ## Build and unit-test the last commit in a clean Debian 13 (as root)
	@scripts/test-debian 13

test-kill-downloads: ## kill -9 a mixed queue of downloads KILLS=300 times (SEED=1)
	@scripts/setup --for test
	@scripts/build release
	@KILLS=$(or $(KILLS),300) SEED=$(or $(SEED),1) /usr/bin/python3 -m pytest -q -s tests/functional/test_kill_downloads.py

bench: ## Compare with named peers on this machine
	@scripts/setup --for bench
	@scripts/build release
	@bench/run

bench-downloads: ## Compare downloads with curl, aria2 and huggingface_hub
	@scripts/setup --for bench
	@scripts/build release
	@bench/downloads/run

bench-deployments: ## From a deployment's wish to its first token, beside llama-server by hand
	@scripts/setup --for bench
	@scripts/build release
	@bench/deployments/run

bench-gateway: ## Compare the gateway with nginx and Portkey on this machine
	@scripts/setup --for bench
	@scripts/build release
	@bench/gateway/run

bench-gateway-endurance: ## 512 streams for a minute, 10,000 slow streams and sockets
	@scripts/setup --for bench
	@scripts/build release
	@bench/gateway/endurance

test-gateway-cancel: ## 1000 clients that leave in each phase of a request
	@scripts/setup --for test
	@scripts/build release
	@LLM_MANAGER_PROGRAM=$(CURDIR)/build/release/llm-manager CANCEL_TRIES=1000 \
	    /usr/bin/python3 -m pytest -q tests/functional/test_gateway_cancel.py

test-conformance: ## Other people's client libraries and suites against the service
	@scripts/setup --for test
	@scripts/build release
	@scripts/test-conformance

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
