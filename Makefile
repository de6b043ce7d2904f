# make demo    a searchable catalogue of the samples, at http://127.0.0.1:8000 (PORT=… for another)
# make test    everything installed, everything checked
# make prove   what is promised of faults, at full size
# make default-model   the bundle that ships once more, from Debian's packages: hours (MUSIC=… for the folder of music)
# make install the `facet` command in .venv, to use on music of your own

PYTHON ?= python3
PORT ?= 8000
VENV ?= .venv
# So many processes share the tests. Each starts a database, a browser and services of its own: a core for each, at most.
TEST_WORKERS ?= 2

# Two threads of one library must not fight two of another: one each, unless a test says otherwise.
export OMP_NUM_THREADS ?= 1

.PHONY: demo install test check pytest prove default-model locks clean

demo: $(VENV)/.serving
	$(VENV)/bin/facet demo --port $(PORT)

install: $(VENV)/.serving
	@echo "Now:  $(VENV)/bin/facet ingest ~/Music  &&  $(VENV)/bin/facet serve"

test: check pytest

check: $(VENV)/.all
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# A file's tests stay together and share what they set up; files are begun in their order, so that none of the long ones
# is the last. What measures speed follows alone. The tests start Facet hundreds of times: compiled once is enough.
pytest: $(VENV)/.all
	env -u PYTHONDONTWRITEBYTECODE $(VENV)/bin/python -m pytest -m "not alone" \
	  -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder
	env -u PYTHONDONTWRITEBYTECODE $(VENV)/bin/python -m pytest -m alone

prove: $(VENV)/.all
	$(VENV)/bin/python -m proofs

MUSIC ?= music-for-the-default-model
default-model: $(VENV)/.all
	FACET=$(VENV)/bin/facet training/heads/remake $(MUSIC) models/default

locks:
	locks/compile

# One folder serves both: `make demo` installs what serving needs, `make test` the rest beside it.
$(VENV)/.serving $(VENV)/.all: $(VENV)/.%: locks/%.txt locks/build.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Facet needs Python 3.11 or later; try: make $@ PYTHON=python3.12")'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r locks/build.txt -r $<
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf $(VENV)
