# Every target sets up what it needs by itself; a second run is quick.
.DEFAULT_GOAL := help
.PHONY: help demo test adversarial adversarial-table unit lint grammar bench docs recording pictures bases clean

METALOR := .venv/bin/metalor
export METALOR_BASES ?= $(CURDIR)/.cache/bases

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

demo:  ## build and run a real image, without any registry
	@.ci/setup demo
	@.venv/bin/python -m tests.support.bases debian busybox
	@bash examples/demo.sh

test:  ## all tests (needs root or sudo for the kernel work)
	@.ci/setup test
	@.venv/bin/python -m tests.support.bases debian busybox debian-c whiteouts busybox-multi debian-arm64
	@.ci/as-root .venv/bin/python -m pytest tests

adversarial: export METALOR_ATTACK_EVERY ?= 1
adversarial: export METALOR_ATTACK_LOOKUPS ?= 1000000
adversarial: export METALOR_ATTACK_MUTANTS ?= 10000
adversarial: export METALOR_KILLS ?= 2000
adversarial: export METALOR_CUTS ?= 500
adversarial: export METALOR_FAULTS ?= all
adversarial: export METALOR_REPL_KILLS ?= 200
adversarial: export METALOR_REPL_SEQUENCES ?= 200
adversarial:  ## hostile layers, attacks, kills, power cuts and faults in the numbers of the documents (over an hour)
	@.ci/setup test
	@.ci/as-root .venv/bin/python -m pytest -q -rP tests/adversarial tests/integration/test_repl_laws.py tests/integration/test_repl_kills.py

adversarial-table: export METALOR_ATTACK_EVERY = 1
adversarial-table:  ## the table of hostile layers in docs/explanation/security.md, written anew
	@.ci/setup test
	@.ci/as-root .venv/bin/python -m pytest -q tests/adversarial/test_layers.py --update-goldens

unit:  ## the tests that need no root and no network
	@.ci/setup test
	@.venv/bin/python -m pytest tests/unit tests/property

lint:  ## style, types, import contracts
	@.ci/setup test
	.venv/bin/ruff check metalor_lang tests examples
	.venv/bin/ruff format --check metalor_lang tests examples
	.venv/bin/mypy
	.venv/bin/lint-imports

grammar:  ## what is made from the grammar: the automaton that reads recipes, every editor's highlighter
	@.ci/setup test
	@.venv/bin/python -m metalor_lang.syntax.automaton.write
	@.venv/bin/python -m metalor_lang.editors.write

bench:  ## speed beside floors and peers (some minutes)
	@.ci/setup bench
	@.venv/bin/python -m tests.support.bases debian busybox
	@.ci/as-root .venv/bin/python -m tests.bench

docs:  ## write the generated pages of docs/reference and the picture of a recipe
	@.ci/setup test
	@.venv/bin/python -m metalor_lang.cli.docs docs/reference
	@.venv/bin/metalor highlight --format svg --title "A recipe in the colours of its parser" \
	    docs/images/highlighting.metalor > docs/images/highlighting.svg

recording:  ## the recording of a session and the pictures in docs/images/repl, played anew
	@.ci/setup test
	@.venv/bin/python -m tests.support.bases debian
	@.ci/as-root .venv/bin/python -m tests.support.recording

pictures:  ## the pictures of editors in docs/images/editors, taken anew
	@.ci/setup test
	@.venv/bin/python -m tests.support.editor_pictures

bases:  ## the base images, made from Debian packages
	@.ci/setup test
	@.venv/bin/python -m tests.support.bases debian busybox debian-c whiteouts busybox-multi debian-arm64

clean:  ## remove caches and the virtual environment
	@.ci/as-root rm -rf .cache/demo-store
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
