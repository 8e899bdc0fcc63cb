# make demo: set everything up, train all four buckets on the sample market, show the result.
# make test: set everything up (a browser and the like by apt, where it may), check the code, run every test.
# make test-contrib: the tests of plugins_contrib, each package in an environment of its own.
# make test-freqtrade: btc-ai-freqtrade with freqtrade's own backtesting; optional, installs freqtrade.
# make soak: the tests that CI has no time for, 1,000 workers killed, the bus fuzzed; writes the results
#   of the latter two into benchmarks/results.md.
# make bench [CANDLES=folder]: measure every claim of speed; writes benchmarks/results.md.

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3
CONTRIB ?= btc-ai-mlflow btc-ai-ray btc-ai-freqtrade btc-ai-notify btc-ai-hello

.PHONY: demo test test-contrib test-freqtrade lint bench soak install install-dev clean

demo: install
	@bash scripts/demo.sh "$(abspath $(BIN))"

test: install-dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint test-contrib
	@bash scripts/setup_tests.sh
	$(BIN)/python -m pytest -n 2

test-contrib: install-dev
	@bash scripts/test_contrib.sh "$(abspath $(BIN))/python" "$(abspath $(VENV))/contrib" $(CONTRIB)

test-freqtrade: CONTRIB = btc-ai-freqtrade:freqtrade
test-freqtrade: test-contrib

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_pages.py

bench: install-dev
	$(BIN)/pip install -qq -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks $(CANDLES)

soak: install-dev
	$(BIN)/python -m pytest -m soak
	$(BIN)/python -m benchmarks --only soak fuzz

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "BTC-AI needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "python3 cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: $(VENV)/bin/pip pyproject.toml constraints.txt
	@echo "Installing BTC-AI into $(VENV) (torch is large; a few minutes the first time)"
	@$(BIN)/pip install -qq -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/pip install -qq -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) demo
