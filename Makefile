# Short names for the scripts in bin/, which also run where there is no make.
.PHONY: demo demo-reset setup setup-dev lint test chaos

demo: ## the whole product on this machine, until Ctrl-C
	@bin/demo

demo-reset: ## forget the demo's data; the next demo starts over
	@bin/demo --reset

setup: ## .venv with what the product runs on
	@bin/setup

setup-dev: ## and what tests and benchmarks need
	@bin/setup --dev

lint:
	@bin/lint

test: ## set-up, lint and every test
	@bin/test

chaos: ## the kill matrix in full and a soak of 30 minutes
	@bin/chaos
