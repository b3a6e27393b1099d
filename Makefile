# The commands that people type; CMake does the building (CMakePresets.json names the builds).
# Every target does the set-up that it needs, the packages included.

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
BUILD := build/release
SOURCES := find include src tests bench examples -name '*.cc' -o -name '*.h' -o -name '*.c'
WARREN := $(BUILD)/src/cli/warren
# With NODEPS=1 nothing is asked about packages, let alone installed.
NODEPS ?=

export CTEST_PARALLEL_LEVEL ?= 1

.DEFAULT_GOAL := build
.PHONY: help deps configure build test demo bench fmt check tidy install clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

deps: ## Install the packages that building, testing and measuring need
	@$(if $(NODEPS),:,scripts/install-deps.sh)

configure: deps
	@cmake --log-level=WARNING --preset release $(CMAKE_ARGS)

build: configure ## Build everything in build/release
	@cmake --build --preset release -j $(JOBS)

test: build ## Build, then run every test: unit, differential, end-to-end, CPython's own
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error $(CTEST_ARGS)

demo: build ## Build, then show the main job on real programs
	@scripts/demo.sh $(WARREN)

# Figures are only worth something on a machine that does nothing else meanwhile.
bench: build ## Measure warren, native, the kernel's namespaces, proot and strace side by side
	@bench/programs/run.py --warren $(WARREN) --json $(BUILD)/bench.json --svg $(BUILD)/bench.svg $(BENCH_ARGS)
	@echo "samples: $(BUILD)/bench.json   plot: $(BUILD)/bench.svg"

fmt: ## Rewrite the sources in the project's format
	@$(SOURCES) | xargs clang-format -i

check: ## Check the format and the direction of every include
	@bad=$$($(SOURCES) | while read -r f; do clang-format "$$f" | cmp -s - "$$f" || echo "  $$f"; done); \
	if [ -n "$$bad" ]; then printf 'check: not in the project format ("make fmt" mends it):\n%s\n' "$$bad"; exit 1; fi
	@scripts/check-layers.py

tidy: configure ## Run clang-tidy over the sources
	@run-clang-tidy -quiet -p $(BUILD) -j $(JOBS) '^$(CURDIR)/src/.*\.cc$$'

install: build ## Install under PREFIX (/usr/local)
	@cmake --install $(BUILD) --prefix $(PREFIX)

clean: ## Remove every build
	@rm -rf build
