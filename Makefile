# The commands of this repository. `make demo` and `make test` install what they need.

export STREAMHUB_CACHE ?= $(HOME)/.cache/streamhub
export CARGO_TARGET_DIR ?= $(STREAMHUB_CACHE)/target

.DEFAULT_GOAL := help
.PHONY: help demo test test-local test-cluster test-long fuzz lint bench fmt generate

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

demo: ## Run three cameras on this machine until Ctrl-C
	@scripts/demo

test: ## Lint and run every test but the long ones, as root also those on clusters; stops itself after 80 minutes
	@scripts/test

test-local: ## The same without those on clusters
	@scripts/test --local

test-cluster: ## Only the tests on a real Kubernetes, as root; E2E_KUBECONFIG names one of yours
	@scripts/test --cluster

test-long: ## Run the long tests for hours: soak, faults, fuzzing; as root also those on a cluster
	@scripts/test --long

fuzz: ## Let libFuzzer look for bytes from outside that do harm, FUZZ_SECONDS (60) for each target
	@scripts/setup demo
	@scripts/fuzz

lint: ## Check format, lints, generated files, licences and shell scripts
	@scripts/setup demo
	@scripts/lint

bench: ## Measure us beside gst-launch, ffmpeg, OpenCV and PyAV (SCENARIOS="cpu live ...": only these)
	@scripts/bench $(SCENARIOS)

fmt: ## Format the sources
	@cargo fmt --all

generate: ## Write the files that are generated from the sources
	@scripts/generate
