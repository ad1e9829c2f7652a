# make run    train a GRU on text that is already on this machine, and see what it learned
# make test   lint, types and the whole test suite, with coverage
# make test-peers   conversions replayed in PyTorch, Keras, Flax, ONNX Runtime and OpenVINO, which it installs
# make sanitize   the core's tests under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer
# make emulated   the core's tests on an emulated AArch64 processor, where Debian's packages can be had
# make targets   exported C on every kind of processor, from Cortex-M4 to big-endian and WebAssembly, likewise
# make wheel  what a release uploads, into dist: the sdist, and wheels for each Python and processor
# make wheel-test   those wheels in clean environments, without a compiler and without PyTorch
# make ports  the core compiled for Windows and macOS, any warning being an error
# make docs   the documentation, into docs/_build/html, with a live page of a model that it trains
# make bench  this machine's roofline, and Penstock beside its peers; writes benchmarks/results.*
# All make .venv on their first call and leave it alone afterwards.

PYTHON ?= python3
# Which build of torch: cpu, or a CUDA version such as cu130. An index that only has a CUDA build is never asked.
TORCH_BACKEND ?= cpu

BIN := .venv/bin
INSTALLED := .venv/.installed
PEERS := .venv/.peers
REPLAYED := .venv/.replayed
BROWSER := .venv/.browser
# pip reads these for the packages and, isolated, for what builds them.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test test-peers docs figures reference bench lint sanitize sanitized emulated targets install lock clean wasm wheel wheel-test \
        ports

run: $(INSTALLED)
	$(BIN)/penstock train --out runs/first --minutes 2 --force

# So many processes test at once, each a file at a time; their threads wait asleep, as there are more than cores.
WORKERS ?= 2

test: lint $(BROWSER)
	@$(BIN)/coverage erase
	OMP_WAIT_POLICY=passive $(BIN)/coverage run -m pytest --numprocesses $(WORKERS) --dist loadfile $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-peers: $(REPLAYED)
	OMP_WAIT_POLICY=passive $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile $(PYTEST_ARGS) tests/peers

docs: $(INSTALLED)
	$(BIN)/sphinx-build -n -W --keep-going -q -b html docs docs/_build/html
	@$(BIN)/python docs/slides/make.py docs/_build/html
	@$(BIN)/python docs/live.py docs/_build/html
	@echo "docs/_build/html/index.html"

# What the documentation shows and the program makes: the lesson's figures (minutes), and the references of the command
# line and of the kinds of file.
figures: $(INSTALLED)
	$(BIN)/python docs/figures/draw.py

reference: $(INSTALLED)
	$(BIN)/python docs/reference/write_cli.py
	$(BIN)/python docs/reference/write_exchange.py
	$(BIN)/python docs/reference/write_kinds.py

bench: $(PEERS)
	$(BIN)/penstock bench --out benchmarks $(BENCH_ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The core's tests on cores built with sanitizers: address and undefined behaviour, then data races. Some minutes. Their
# allocators never run out of memory, and ThreadSanitizer starts no threads in a forked child.
sanitize: $(INSTALLED)
	$(BIN)/pip install --quiet nanobind cmake ninja
	$(MAKE) --no-print-directory sanitized SANITIZE=address,undefined,float-cast-overflow RUNTIME=libasan.so SELECT="not memory"
	$(MAKE) --no-print-directory sanitized SANITIZE=thread RUNTIME=libtsan.so SELECT="not memory and not fork"

sanitized:
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S core -B build/$(SANITIZE) -G Ninja -DPENSTOCK_SANITIZE=$(SANITIZE)
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake --build build/$(SANITIZE)
	LD_PRELOAD="$$(c++ -print-file-name=$(RUNTIME)) $$(c++ -print-file-name=libstdc++.so)" \
	  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
	  TSAN_OPTIONS=halt_on_error=1:die_after_fork=0:allocator_may_return_null=1:suppressions=tests/native/races.supp \
	  PENSTOCK_CORE="$$(echo build/$(SANITIZE)/_core.*.so)" \
	  $(BIN)/python -m pytest -q -p no:cacheprovider -k "$(SELECT)" tests/native tests/ops/test_fused.py

emulated: $(INSTALLED)
	@tests/emulated/aarch64.sh

targets: $(INSTALLED)
	@tests/targets/targets.sh

# The engine of pages as WebAssembly, which ships compiled; the pinned compiler gives the same bytes again.
wasm: $(INSTALLED)
	cd src/penstock/web && for engine in engine_float engine_fixed; do \
	  ../../../$(BIN)/python -m ziglang cc @engine.flags $$engine.c -o $$engine.wasm && chmod 644 $$engine.wasm || exit 1; \
	done

# WHEEL_ARGS="--python 3.12 --machine x86_64" for some of them.
wheel: $(INSTALLED)
	@$(BIN)/pip install --quiet uv
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python release/wheels.py $(WHEEL_ARGS)

wheel-test: $(INSTALLED)
	@$(BIN)/pip install --quiet uv
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python release/check.py $(WHEEL_TEST_ARGS)

ports: $(INSTALLED)
	@$(BIN)/pip install --quiet cmake ninja
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python release/ports.py $(PORTS_ARGS)

install: $(INSTALLED)

# torch comes first and alone: a wheel at hand (pip's find-links), else the build that TORCH_BACKEND names.
$(INSTALLED): pyproject.toml constraints.txt $(wildcard core/*)
	@echo "Installing into .venv; this happens once and takes a minute or two."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -c "import torch" 2>/dev/null \
	  || $(BIN)/pip install --quiet --no-index --no-deps torch 2>/dev/null \
	  || { $(BIN)/pip install --quiet uv && $(BIN)/uv pip install --python $(BIN)/python --no-deps \
	       --constraints constraints.txt --torch-backend $(TORCH_BACKEND) torch; }
	@$(BIN)/pip install --quiet --editable '.[dev]'
	@$(BIN)/penstock info
	@touch $@

# The browser that draws pages in tests, a font for Chinese, and the proxies before `penstock serve`: from Debian, where that
# can be. Elsewhere those tests say what they lack.
$(BROWSER): $(INSTALLED)
	@if ! { command -v chromium && command -v nginx && command -v haproxy; } >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing Chromium, nginx and HAProxy for the tests; this happens once."; \
	  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
	    chromium fonts-wqy-microhei nginx haproxy; } >/dev/null 2>&1 || true; \
	fi
	@touch $@

$(PEERS): $(INSTALLED)
	@$(BIN)/pip install --quiet --editable '.[bench]'
	@touch $@

$(REPLAYED): $(INSTALLED)
	@echo "Installing what conversions are replayed in; this happens once and takes a minute or two."
	@$(BIN)/pip install --quiet --editable '.[peers]'
	@touch $@

# The newest versions that pyproject.toml allows, for every Python it allows; torch stays at its pin.
lock: $(INSTALLED)
	$(BIN)/pip install --quiet uv
	{ grep '^#' constraints.txt; \
	  { printf '%s\n' cmake nanobind ninja scikit-build-core uv; grep '^torch==' constraints.txt; } \
	  | $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --all-extras --group release --no-annotate --no-header \
	    pyproject.toml - | grep -vE '^(nvidia-|cuda-|triton)'; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf .venv build docs/_build .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
