# make demo   sets up, then train -> analyse -> prune + retrain -> export on the sample data
# make test   sets up, then runs all tests
# make test-long   more draws of each property, all tutorials, all public networks: hours
# make docs   the pages in docs/ as a site in output/site, its links checked
# make lint   ruff and mypy
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
DEMO := output/demo
CONFIG := configs/classification/mobilenet_v2_sample.yml

# Paddle Lite files for x86 and arm; where Paddle Lite is not installed, Paddle Inference ones.
FORMAT = $(shell $(PYTHON) -c "from paddleprune.export import lite; print('lite' if lite.installed() else 'inference')" 2>/dev/null)

# OMP_NUM_THREADS=1: two processes of more threads each would fight for two cores.
.PHONY: demo test test-long docs lint setup clean

setup: $(READY)

$(READY): requirements.lock setup.py setup_env.sh
	sh setup_env.sh $(VENV)

demo: $(READY)
	rm -rf $(DEMO)
	@echo "== 1/6 sample data: handwritten digits on photographs"
	$(PYTHON) tools/sample_data.py --task classification --save_dir data/sample_classification
	@echo "== 2/6 train"
	$(PYTHON) tools/train.py --config $(CONFIG) --save_dir $(DEMO)/dense
	@echo "== 3/6 analyse: how much does each group's pruning hurt?"
	$(PYTHON) tools/sensitivity.py --model_dir $(DEMO)/dense/best_model --save_file $(DEMO)/sensitivities.json
	@echo "== 4/6 prune and retrain"
	$(PYTHON) tools/train.py --config $(CONFIG) --pretrain_weights $(DEMO)/dense/best_model \
	    --sensitivities_file $(DEMO)/sensitivities.json \
	    --set prune.strategy=least_loss prune.target.params=0.2 train.epochs=4 train.learning_rate=0.0005 train.distill=0.5 \
	    --save_dir $(DEMO)/pruned
	@echo "== 5/6 export for phones, and check the exported file"
	$(PYTHON) tools/export.py --model_dir $(DEMO)/pruned/best_model --format $(FORMAT) --save_dir $(DEMO)/export
	@echo "== 6/6 before and after"
	$(PYTHON) tools/report.py --sensitivities_file $(DEMO)/sensitivities.json --model_dir $(DEMO)/dense/best_model \
	    --before $(DEMO)/dense/best_model --after $(DEMO)/pruned/best_model \
	    --names dense pruned --save_dir $(DEMO)/report --save_file $(DEMO)/report/report.html

test: $(READY)
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 2 --dist loadfile

test-long: $(READY)
	PADDLEPRUNE_TEST_LONG=1 PADDLEPRUNE_TEST_EXAMPLES=20 OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 2 --dist loadfile
	$(PYTHON) benchmarks/zoo.py --json output/zoo.json

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet
	@echo "open output/site/index.html"

lint: $(READY)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

clean:
	rm -rf output data/sample_classification
