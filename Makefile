# make run    the notebooks, headless: the card's 20 epochs on MNIST   [EPOCHS=2 SEED=7 DATA=folder OUT=folder]
# make test   everything that CI checks                                [MNIST_LIB_NIGHTLY=1: and what takes long]
# make lab    JupyterLab on this machine
# make book   notebooks and pages as one site, into out/book           [STUDENT=1: without solutions]
# make student  the handout, a project without answers, into out/student   [OUT=folder ADDRESS=https://github.com/YOU/NAME]
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# A worker a core, up to four: each takes six seconds to begin. Each has one thread, so that no two spin for the same core. Bytecode
# is kept, whatever is set outside: otherwise each of some fifty processes would compile the package again. tests/light holds what
# they need not import.
PYTEST := PYTHONPATH="$(CURDIR)/tests/light" OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -rs -n logical --maxprocesses 4

.PHONY: run test lab report publish student book
run: $(READY)
	@$(BIN)/python -m course run $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(SEED),--seed $(SEED)) $(if $(DATA),--data "$(DATA)") $(if $(OUT),--out "$(OUT)")

test: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MNIST_LIB_FAST=1 MNIST_LIB_OUT=out/test $(PYTEST) --nbval-lax --nbval-sanitize-with=tests/nbval.cfg --nbval-cell-timeout=120 notebooks tests

lab: $(READY)
	$(BIN)/python -m jupyterlab --ip=127.0.0.1 notebooks

# README's numbers, figures/ and addresses, from records/ and pyproject.toml
report: .venv/.test
	$(BIN)/python -m course report $(if $(RECORD),--record "$(RECORD)")

# the executed notebooks of the last plain `make run`, to be committed
publish: $(READY)
	$(BIN)/python -m course publish

student: $(READY)
	$(BIN)/python -m course student $(if $(OUT),--out "$(OUT)") $(if $(ADDRESS),--address "$(ADDRESS)")

book: .venv/.book
	$(BIN)/python -m course book $(if $(OUT),--out "$(OUT)") $(if $(STUDENT),--student)

.venv/.book: $(READY) requirements-book.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python -r requirements-book.txt
	@touch $@

.venv/.test: $(READY) requirements-test.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python $(if $(RESOLUTION),--resolution $(RESOLUTION)) -r requirements.txt -r requirements-test.txt
	@touch $@

$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@echo "Installing into .venv: 6.2 GB on Linux (UV_TORCH_BACKEND=cpu leaves out CUDA, about 4 GB), less elsewhere; one to ten minutes."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python $(if $(RESOLUTION),--resolution $(RESOLUTION)) -r requirements.txt
	@touch $@
