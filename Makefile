# Two commands do all: `make demo` and `make test`. Each first makes .venv when it is not there.
# They need Python 3.11 or newer with pip, and the package index that pip is set up for.

PYTHON ?= python3
PYTEST_ARGS ?=
BENCH_ARGS ?=

BIN := .venv/bin
SETUP := .venv/.setup-done
# This pip, not the system's, does the work: the venv's own, at the version in constraints.txt.
PIP := $(BIN)/python -m pip

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint format types layers wheel bench notebooks constraints clean distclean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SETUP)  ## Make .venv, with Triptych and all tools in it.
	@echo "Ready: $(BIN)/triptych"

# --without-pip, because some systems' venv module cannot bring one; the system's pip then
# installs the pinned pip into the new environment.
$(SETUP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Triptych needs Python 3.11 or newer, this is " + sys.version)'
	@echo "Setting up .venv: several minutes and about 7 GB the first time, most of it torch."
	@$(PYTHON) -m venv --without-pip .venv
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --constraint constraints.txt pip
	@$(PIP) install --quiet --constraint constraints.txt --build-constraint constraints.txt --editable '.[all,dev]'
	@$(PIP) check
	@touch $@

demo: $(SETUP)  ## Fetch a few real clips and run Triptych on them.
	@$(BIN)/python demo/fetch.py
	@$(BIN)/triptych run demo/media -o demo/out

# Two files of tests at a time: most tests keep one core busy (PYTEST_ARGS="-n 0 --pdb" to debug).
test: $(SETUP)  ## Run the whole test suite (PYTEST_ARGS=... for less of it).
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(PYTEST_ARGS)

lint: $(SETUP)  ## Check style and formatting.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(SETUP)  ## Format, and mend what can be mended safely.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(SETUP)  ## Check types.
	@$(BIN)/mypy

layers: $(SETUP)  ## Check that imports go one way.
	@$(BIN)/lint-imports --no-logo

# The wheel is built from the sdist, so this also proves that the sdist is complete.
wheel: $(SETUP)  ## Build sdist and wheel into dist/ and check what is in them.
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist .
	@$(BIN)/check-wheel-contents dist/*.whl

bench: $(SETUP)  ## Measure speed and memory (BENCH_ARGS=... for its options).
	@$(BIN)/python bench/end_to_end.py $(BENCH_ARGS)

notebooks: $(SETUP)  ## Run the README's examples and the notebooks.
	@$(BIN)/python -m pytest tests/docs $(PYTEST_ARGS)

# What pip would install today, in the ranges of pyproject.toml, without installing it.
constraints: $(SETUP)  ## Take the newest versions that pyproject.toml allows into constraints.txt.
	@mkdir -p build
	@$(PIP) install --quiet --dry-run --ignore-installed --report build/resolved.json \
		--editable '.[all,dev]' pip hatchling editables
	@{ \
		echo '# The exact versions that Triptych is tested with. Made by `make constraints`; do not edit.'; \
		$(BIN)/python -c 'import json; print(*sorted(m["name"].lower().replace("_", "-") + "==" + m["version"] for m in (i["metadata"] for i in json.load(open("build/resolved.json"))["install"]) if m["name"] != "triptych"), sep="\n")'; \
	} > build/constraints.txt
	@if cmp -s build/constraints.txt constraints.txt; then \
		echo "constraints.txt: already the newest"; \
	else \
		mv build/constraints.txt constraints.txt; \
		echo "constraints.txt: renewed. Run 'make test' before you commit it."; \
	fi

clean:  ## Remove what was built, measured and fetched; keep .venv.
	rm -rf build dist demo/media demo/out bench/out htmlcov .coverage .coverage.* \
		.hypothesis .import_linter_cache .grimp_cache .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean  ## Remove .venv, too.
	rm -rf .venv
