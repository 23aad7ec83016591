# Thin recipes: each is one go command. CI calls the same ones.
.DEFAULT_GOAL := help
.PHONY: help up preview down pipeline vault preflight policy job verify adopt repair explain build clean test prove fuzz check cross audit generate bench release

# One build cache for every clone. What make compiles runs briefly, so all but the standard library
# is not optimised, and nothing is described to a debugger: a third fewer CPU seconds. Not so where
# make measures, searches long, or fills the cache for Pulumi.
QUICK = '-gcflags=all=-N -l -dwarf=false' -gcflags=std=-dwarf=false
audit bench build fuzz release: QUICK =
export GOFLAGS += -trimpath $(QUICK)

# What make help says of the variables.
#:
#: Variables, such as make up STACK=prod:
#:   STACK=dev              the stack: settings in Pulumi.<stack>.yaml
#:   CREDENTIALS=path.json  up, preview: your credentials, JSON: name -> object of key -> value
#:   UNPROTECT=yes          down: destroy also what azure.protect holds
#:   FOR=drift              policy: of the token that looks for drift; jobs, role: what a Vault team makes
#:   MOVED=yes              preflight: the stack moves to the Vault that its settings name
#:   FROM=existing.json     adopt: the program's names and the ids of what exists
#:   COMPUTE=cluster        job: the cluster to name where the stack makes none
#:   ONLY=folder RUN=name   test: one folder with what is below it, and tests whose name matches

STACK ?= dev
SANDBOX = go -C sandbox run ./bootstrap
FLAGS = -stack "$(STACK)" $(if $(CREDENTIALS),-credentials "$(CREDENTIALS)")

OPERATE = { test -x .operate || echo "Compiling operate, about a minute the first time" >&2; } && \
	go -C operate build -o ../.operate . && ./.operate

# Every module but the slim SDKs, and a command in each of them: $(call each,go -C,vet ./...)
MODULES = $(dir $(wildcard go.mod */go.mod sandbox/*/go.mod))
each = $(foreach module,$(MODULES),$(1) $(module) $(2) &&) true

# Tools, pinned. They are no dependency of a module: nothing of theirs reaches the program.
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.5.0
ACTIONLINT = go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.7
GITLEAKS = go run github.com/zricethezav/gitleaks/v8@v8.24.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@sed -n 's/^#: \{0,1\}//p' Makefile

up: ## run the whole program here, on a real Vault and a stand-in for Azure; no account
	@$(SANDBOX) up $(FLAGS)

preview: ## what an up would change
	@$(SANDBOX) preview $(FLAGS)

down: ## destroy what up made
	@$(SANDBOX) down -stack "$(STACK)" $(if $(UNPROTECT),-unprotect)

pipeline: ## after make up: run the jobs, pipelines and schedules that make job writes, step by step
	@$(SANDBOX) pipeline -stack "$(STACK)"

vault: ## keep the sandbox's Vault running, to look around in
	@$(SANDBOX) vault -stack "$(STACK)"

preflight: ## would pulumi up of the real stack work? Asks its Vault, changes nothing
	@$(OPERATE) check -stack "$(STACK)" $(if $(filter yes,$(MOVED)),-moved)

policy: ## the least Vault policy for the token that deploys the real stack; FOR=drift, jobs, role: of others
	@$(OPERATE) policy -stack "$(STACK)" $(if $(FOR),-for "$(FOR)")

job: ## from the real stack's outputs, files ready to submit: job/<stack>/
	@$(OPERATE) job -stack "$(STACK)" $(if $(COMPUTE),-compute "$(COMPUTE)")

verify: ## after pulumi up of the real stack: try it in Azure, up to an hour, two jobs; writes docs/verified/
	@$(OPERATE) verify -stack "$(STACK)"

adopt: ## take what exists already into the real stack's state, by the ids in FROM=existing.json
	@$(OPERATE) adopt -stack "$(STACK)" $(if $(FROM),-from "$(FROM)")

repair: ## after a run of the real stack that was killed: make its state true again
	@$(OPERATE) repair -stack "$(STACK)"

explain: ## what an error of Pulumi means and what to do: make explain < log
	@$(OPERATE) explain

# These flags are part of the cache's key; pulumi-language-go (seen in 3.259) compiles with them.
build: ## compile the program as Pulumi's language host does, so that the next preview compiles nothing
	go build -trimpath -buildvcs=false -ldflags "-w -s" -o /dev/null .

clean: ## forget the sandbox: its Vault, its state and the built commands
	@$(SANDBOX) clean

TEST = test -timeout 30m $(if $(RUN),-run "$(RUN)") ./...
TEST_CLIENT = python3 -m unittest discover -s job

# The sandbox's tests drive commands that bootstrap builds.
test: ## every test of every module; ONLY=internal/settings one folder's
ifdef ONLY
	$(if $(filter sandbox%,$(ONLY)),$(SANDBOX) build)
	$(if $(filter job,$(ONLY)),$(TEST_CLIENT),go -C "$(ONLY)" $(TEST))
else
	$(SANDBOX) build
	$(TEST_CLIENT)
	$(call each,go -C,$(TEST))
endif

prove: ## the proofs that take long, an hour and more; writes the tables of docs/proofs.md and docs/faults.md
	$(SANDBOX) build
	UPDATE_GOLDEN=1 go -C sandbox test -tags prove -v -p 2 -parallel 5 -timeout 120m \
		-run '^TestProve|^TestNoSurface|^TestAPlanted|^TestVaultHolds|^TestAStackThatWasChanged' ./...
	go -C tools test -tags prove -run '^TestProve' ./...
	go test -tags prove -run '^TestProve' ./internal/delivery
	python3 job/prove_load.py

# Of each target; 1000000x is a million inputs. The last one asks a Vault server, and runs without
# the fuzzer's counters, which would compile everything once more: it makes an acceptable
# configuration of whatever it gets.
FUZZTIME ?= 1000000x
FUZZ = -run '^$$' -fuzztime $(FUZZTIME) -fuzz
fuzz: ## bad input: FUZZTIME inputs (1000000x) or that long (30s) for each fuzz target
	go test $(FUZZ) '^FuzzSections$$' ./internal/settings
	go test $(FUZZ) '^FuzzName$$' ./internal/settings
	go test $(FUZZ) '^FuzzSecrets$$' ./internal/settings
	go test $(FUZZ) '^FuzzPayload$$' ./internal/settings
	go -C sandbox test -c -o ../.sandbox/bin/acl.test ./internal/acl
	cd sandbox/internal/acl && ../../../.sandbox/bin/acl.test \
		-test.run '^$$' -test.fuzz '^FuzzPolicyMatchesItsPathsOnly$$' \
		-test.fuzztime $(FUZZTIME) -test.fuzzcachedir ../../../.sandbox/fuzz

PYTHON = $(shell git ls-files '*.py')
check: ## build, vet, lint, tidy, generated code
	go build ./...
	$(call each,go -C,vet -tags prove ./...)
	$(call each,go -C,mod tidy -diff)
	GOOS=windows go vet ./...
	GOOS=darwin go vet ./...
	$(ACTIONLINT)
	$(call each,go -C,run -gcflags=all= $(GOLANGCI) run --build-tags prove --config "$(CURDIR)/.golangci.yml" ./...)
	go -C tools run ./sdkgen -check
	go -C tools run ./reference -check
	black --check --line-length 100 --target-version py39 $(PYTHON)
	flake8 $(PYTHON)
	mypy --strict --config-file job/pyproject.toml job
	cd .ci && mypy --strict *.py
	MYPYPATH=job mypy --strict tools/bench/floor_job.py

cross: ## build every module for Windows and macOS; compiles Vault for each, which takes minutes
	$(foreach os,windows darwin,(export GOOS=$(os) && $(call each,go -C,build ./...)) &&) true

# Offline: make audit VULNDB=file:///path, which golang/vulndb's cmd/indexdb writes from its data/osv.
VULNDB ?= https://vuln.go.dev
audit: ## secrets in any commit, Azure's API versions that end, known vulnerabilities that the code reaches
	$(GITLEAKS) git --no-banner --redact --exit-code 1
	go -C tools run ./calendar
	tools/audit/run $(GOVULNCHECK) $(VULNDB) $(MODULES)

generate: ## the slim SDKs, from their schemas; the reference of the settings, from the settings
	go -C tools run ./sdkgen
	go -C tools run ./reference

bench: ## measure against floors, about 20 minutes (ONLY="runs job"), and write the tables of docs/benchmarks.md and docs/fleet.md
	go -C tools run ./bench $(ONLY)

release: ## archives of VERSION=0.1.0 for Linux, macOS and Windows, with checksums, into dist/
	go -C tools run ./release -version "$(VERSION)" $(if $(ONLY),-only "$(ONLY)")
