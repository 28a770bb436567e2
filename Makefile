# The one vocabulary of this repository; CONTRIBUTING.md explains each word.
SHELL := /bin/sh
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-all coverage check mutants fix bench fuzz docs lock clean image test-image

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## Make the environment in .venv from the locks
	@scripts/setup.sh run

run: setup ## Start Ostiary on http://localhost:9000, data in ./data
	@exec $(BIN)/ostiary serve

demo: setup ## Start Ostiary with an example blueprint and an example application
	@exec $(BIN)/python examples/demo/run.py

test: ## Run the tests, on SQLite and on PostgreSQL
	@scripts/setup.sh run test parties delivery
	@scripts/test.sh -m "not slow and not image"

test-all: ## Run the tests, the slow ones too
	@scripts/setup.sh run test parties delivery
	@scripts/test.sh -m "not image"
	@$(BIN)/python scripts/coverage_floors.py

coverage: ## Measure which branches the tests take, room by room (ARGS: rooms, --raise)
	@scripts/setup.sh run test parties delivery
	@$(BIN)/python scripts/coverage_floors.py $(ARGS)

check: ## Format, lint, types, floors, sizes, documentation
	@scripts/setup.sh run test parties check delivery
	@scripts/check.sh

mutants: ## Take each guard out, and see that its tests notice
	@scripts/setup.sh run test
	@$(BIN)/python scripts/mutants.py

fix: ## Repair what can be repaired by a program
	@scripts/setup.sh run check
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

fuzz: ## Feed the parsers of the protocols with what a coverage-guided fuzzer finds, some minutes
	@scripts/setup.sh run fuzz
	@$(BIN)/python scripts/fuzz.py

bench: ## Measure beside the peers, and write docs/benchmarks.md (ARGS=--quick: shortly, for development)
	@scripts/setup.sh run test bench
	@bench/setup.sh
	@$(BIN)/python bench/run.py $(ARGS)

docs: setup ## Write the generated parts of docs/ again
	@$(BIN)/python scripts/docs.py

lock: ## Choose the newest versions again and write the locks
	@scripts/lock.sh

image: ## Build the container images from their locks into dist/images
	@scripts/setup.sh run delivery
	$(BIN)/ostiary-delivery build

test-image: ## Build the images, push, pull and run them, with real tools from Debian
	@scripts/setup.sh run test delivery image
	@scripts/test-image.sh

clean: ## Remove the environment and caches; data stays
	rm -rf .venv .venv-tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
