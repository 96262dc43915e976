# make demo   sets up, then train -> analyse -> prune + retrain -> export on the sample data
# make test   sets up, then runs all tests
# make lint   ruff and mypy
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
DEMO := output/demo
CONFIG := configs/classification/mobilenet_v2_sample.yml

.PHONY: demo test lint setup clean

setup: $(READY)

$(READY): requirements.lock setup.py setup_env.sh
	sh setup_env.sh $(VENV)

demo: $(READY)
	$(PYTHON) tools/demo.py --save_dir $(DEMO)

test: $(READY)
	$(PYTHON) -m pytest

lint: $(READY)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

clean:
	rm -rf output data/sample_classification
