# The one vocabulary of this repository; CONTRIBUTING.md explains each word.
SHELL := /bin/sh
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-all coverage check mutants fix bench fuzz docs lock clean image test-image

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## Create the environment in .venv from the locks
	@scripts/setup.sh run

run: setup ## Start Ostiary on http://localhost:9000, data in ./data
	@exec $(BIN)/ostiary serve

demo: setup ## Start Ostiary with an example blueprint and an example application
	@exec $(BIN)/python examples/demo/run.py

test: ## Run the tests, on SQLite and on PostgreSQL
	@scripts/setup.sh run test parties delivery
	@scripts/test.sh -m "not slow and not image"

test-all: ## Run all tests, including slow ones
	@scripts/setup.sh run test parties delivery
	@scripts/test.sh -m "not image"
	@$(BIN)/python scripts/coverage_floors.py

coverage: ## Measure the branch coverage of each room (ARGS: rooms, --raise)
	@scripts/setup.sh run test parties delivery
	@$(BIN)/python scripts/coverage_floors.py $(ARGS)

check: ## Format, lint, types, floors, sizes, documentation
	@scripts/setup.sh run test parties check delivery
	@scripts/check.sh

mutants: ## Remove each guard, and check that its tests fail
	@scripts/setup.sh run test
	@$(BIN)/python scripts/mutants.py

fix: ## Fix format and lint automatically
	@scripts/setup.sh run check
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

fuzz: ## Fuzz the protocol parsers for some minutes
	@scripts/setup.sh run fuzz
	@$(BIN)/python scripts/fuzz.py

bench: ## Compare with other providers, and write docs/benchmarks.md (ARGS=--quick: a short run)
	@scripts/setup.sh run test bench
	@bench/setup.sh
	@$(BIN)/python bench/run.py $(ARGS)

docs: setup ## Generate parts of docs/
	@$(BIN)/python scripts/docs.py

lock: ## Update all versions and write the locks
	@scripts/lock.sh

image: ## Build the container images from their locks into dist/images
	@scripts/setup.sh run delivery
	$(BIN)/ostiary-delivery build

test-image: ## Build the images, push, pull and run them, with real tools from Debian
	@scripts/setup.sh run test delivery image
	@scripts/test-image.sh

clean: ## Remove the environment and caches; data stays
	rm -rf .venv .venv-tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
