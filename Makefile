.DEFAULT_GOAL := help
.PHONY: help run test test-gpu lint bench gallery clean

help:
	@echo "make run     set up once, then open the app"
	@echo "make test    set up once, then run the tests"
	@echo "make test-gpu  the tests that need a GPU"
	@echo "make lint    linter, formatter, types, import rules"
	@echo "make bench   the performance benchmarks; they print ratios"
	@echo "make gallery  pictures of every screen, in docs/gallery.md"
	@echo "make clean   remove the environment"

run:
	@tools/setup.sh app
	@exec .venv/bin/infer-tui $(ARGS)

test:
	@tools/setup.sh test
	@.venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

test-gpu:
	@tools/setup.sh test
	@.venv/bin/python -m pytest -m gpu $(ARGS)

lint:
	@tools/setup.sh test
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

bench:
	@tools/setup.sh test
	@.venv/bin/python -m tests.performance $(ARGS)

gallery:
	@tools/setup.sh test
	@.venv/bin/python -m pytest -q --snapshot-update -k looks tests/tui
	@.venv/bin/python tools/gallery.py

clean:
	rm -rf .venv
