# The commands of this project; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run test test-vm build vm-image check check-cross bench bench-machine crash fuzz screenshots clean

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: ## Install what is missing, build, start the engine, open the app
	@scripts/run

test: ## Run all tests (as root: they start real containers)
	@scripts/test

test-vm: ## Run the tests of containers again, in virtual machines
	@scripts/test-vm

build: ## Build target/release/{gantryd,gantry,gantry-desktop}
	@scripts/build

vm-image: ## Build the machine's guest into target/vm-image (ARCH=x86_64 or aarch64)
	@vm-image/build $(ARCH)

check: ## Formatting, lints, types, dependencies
	@scripts/check

check-cross: ## Types and lints for Windows, macOS and Linux on ARM; links gantry.exe
	@scripts/check-cross

bench: ## Measure beside Debian's docker.io and podman; prints ratios
	@scripts/bench

bench-machine: ## Measure the virtual machine: boot, memory, disk, tunnel
	@scripts/bench-machine

crash: ## Kill the engine at random moments, in the middle of each operation (ROUNDS=50)
	@scripts/crash

fuzz: ## Fuzz each parser of outside bytes for a minute (SECONDS_EACH=60)
	@scripts/fuzz

screenshots: ## Take the pictures of docs/screenshots from the real app
	@scripts/screenshots

clean: ## Remove what was built
	cargo clean
	rm -rf ui/node_modules ui/dist fuzz/target
