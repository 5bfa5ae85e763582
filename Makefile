# Short names for everything that is built, tested or checked; "make help" lists
# them. .ci/run calls the same targets.

GO ?= go
PKGS ?= ./...
# The packages with assembly, which "make test-noasm" tests without it.
NOASM_PKGS ?= ./internal/kernel/... ./internal/omp/... ./internal/double ./internal/float16
# The packages that "make race" tests: goroutines share data there, and tests are short.
RACE_PKGS ?= ./internal/cache/... ./internal/download/... ./internal/npy/... ./internal/par/... ./internal/ui/...
FUZZTIME ?= 30s
BENCH ?= .

# Programs without C are static. Only the race detector needs C.
export CGO_ENABLED := 0
# Programs that are given away name no folder of this machine. Everything is built so, since what one
# target has compiled then serves the others.
export GOFLAGS := -trimpath $(shell $(GO) env GOFLAGS)

# Tests and checkers collect garbage less often, which takes more memory and less time.
LAZY := GOGC=$(or $(GOGC),400)

# Checkers, by version: the go command fetches and builds them.
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEADCODE ?= golang.org/x/tools/cmd/deadcode@v0.52.0

# The go command stamps the revision into the program. If git is installed but
# refuses to read the folder, because another user owns it, the build would fail.
VCS := $(shell git status >/dev/null 2>&1 || echo -buildvcs=false)

# The paper's results, with a target paper-NAME for each. They run on the example, or on
# real data with MODEL, VOCAB, WORDS and DATA. PAPER is the folder of steps and report.
PAPER ?= paper
PAPER_RESULTS := baseline reconstruction ablation sparse polysemanticity subconcept segmentation shift textspan second-order
PAPER_FLAGS = --dir '$(PAPER)' $(if $(MODEL),--model '$(MODEL)') $(if $(VOCAB),--vocab '$(VOCAB)') \
	$(if $(WORDS),--words '$(WORDS)') $(if $(DATA),--data-path '$(DATA)') $(ARGS)

.DEFAULT_GOAL := build
.PHONY: help build release install install-man docs docs-check static test test-noasm test-arm64 test-browser test-onnx test-slurm test-kubernetes race vet staticcheck deadcode fmt tidy platforms fuzz faults generate bench bench-peers bench-start bench-watch golden demo paper $(PAPER_RESULTS:%=paper-%) check ci

help: ## list these targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 12

build: ## build bin/clipnh, and bin/clipnh-ort, which it starts for other devices
	$(GO) build $(VCS) -o bin/clipnh ./cmd/clipnh
	$(GO) build $(VCS) -o bin/clipnh-ort ./cmd/clipnh-ort

install: ## install clipnh and clipnh-ort into Go's bin folder
	$(GO) install $(VCS) ./cmd/clipnh
	$(GO) install $(VCS) ./cmd/clipnh-ort

DIST ?= dist
release: ## build the programs for all platforms into DIST, with checksums, twice with equal bytes
	scripts/release.sh '$(DIST)'

PREFIX ?= /usr/local
install-man: docs ## install the man pages under PREFIX
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1

docs: build ## write a page for each command into docs/commands, and man pages into man
	./bin/clipnh docs --markdown-path docs/commands --man-path man

static: build ## fail if bin/clipnh is not static, on Linux
	CLIPNH_BUILT='$(CURDIR)/bin/clipnh' $(GO) test -count=1 -run '^TestStaticBuild$$' ./internal/arch

docs-check: build ## fail if docs/commands differs from the program's help
	./bin/clipnh docs --check --markdown-path docs/commands

# "make vet" says more than "go test" would.
TEST = $(LAZY) $(GO) test -vet=off -timeout 30m
# The tests of the commands take longest, one after the other: these of them run after those of
# the other packages, beside the others.
LATE = ^Test(Scripts|ExamplesRun|ImagesChange|ShownImagesThatChanged|VerifyAndRepair|Forms|ServerFails|RudeServer)$$
test: ## run the tests
	@scripts/in-memory.sh $(MAKE) --no-print-directory -j2 test-commands test-packages

.PHONY: test-commands test-packages
test-commands:
	$(TEST) -skip '$(LATE)' ./cmd/clipnh
test-packages:
	$(TEST) $$($(GO) list $(PKGS) | grep -v '/cmd/clipnh$$')
	$(TEST) -run '$(LATE)' ./cmd/clipnh

test-noasm: ## test without assembly what has some
	$(TEST) -tags noasm $(NOASM_PKGS)

test-arm64: ## test the kernels for arm64, in QEMU on other processors; ARGS=--short takes a minute
	$(LAZY) scripts/test-arm64.sh $(ARGS)

test-browser: build ## test the pages of a report in headless Chromium, if there is one; ARGS="-run TestSpeed" selects
	scripts/test-browser.sh $(ARGS)

test-onnx: ## test exported graphs and collect --device in ONNX Runtime, which npm fetches
	scripts/test-onnx.sh

test-slurm: build ## submit to a Slurm of three nodes on this machine, kill one, preempt tasks; needs slurm-wlm and munge; ARGS=--short
	scripts/slurm/test.sh $(ARGS)

# The types of Kubernetes are a module of their own, so that they are not the program's.
test-kubernetes: build ## check the jobs of submit against the types of Kubernetes; ARGS=--short leaves out go vet
	cd scripts/kubernetes && $(if $(ARGS),,$(GO) vet ./... &&) CLIPNH='$(CURDIR)/bin/clipnh' $(GO) test -vet=off -count=1 ./...

race: ## run the short tests under the race detector; needs a C compiler
	CGO_ENABLED=1 scripts/in-memory.sh env $(TEST) -race -short $(RACE_PKGS)

vet: ## look for suspicious code
	$(LAZY) $(GO) vet $(PKGS)
	$(LAZY) $(GO) vet -tags noasm $(NOASM_PKGS)

staticcheck: ## fail if staticcheck finds a mistake or something unused in a package
	@$(LAZY) $(GO) run $(STATICCHECK) $(PKGS) || { echo "staticcheck: correct the lines above" >&2; exit 1; }
	@echo "staticcheck: nothing found"

# Tests of several packages choose the level of the processor.
FOR_TESTS := internal/kernel/cpu/cpu.go:.*: unreachable func: (Supported|Force)$$

deadcode: ## fail if the program can never reach a function
	@all=$$($(GO) run $(DEADCODE) ./cmd/clipnh ./cmd/clipnh-ort) || exit 1; \
	dead=$$(printf '%s' "$$all" | grep -vE '$(FOR_TESTS)'); \
	if [ -n "$$dead" ]; then printf '%s\n' "$$dead" >&2; echo "deadcode: the program never calls the functions above; remove them" >&2; exit 1; fi
	@echo "deadcode: nothing found"

fmt: ## fail if gofmt would change a file
	@files=$$(gofmt -l cmd configs internal scripts) && \
	if [ -n "$$files" ]; then echo "gofmt would change:" >&2; echo "$$files" >&2; echo "hint: gofmt -w" $$files >&2; exit 1; fi

tidy: ## fail if go mod tidy would change a file
	$(GO) mod tidy -diff

# Tests of all packages are vetted here, by "make vet"; elsewhere only where a platform has files of
# its own. Linux on arm64 has one that neither Linux nor macOS's arm64 has.
platforms: ## build for macOS and Windows, and vet what is their own
	GOOS=linux GOARCH=arm64 $(GO) vet ./internal/kernel/...
	scripts/platforms.sh darwin/arm64 windows/amd64

# The go command fuzzes one target of one package at a time.
fuzz: ## run every fuzz target for FUZZTIME
	@set -e; \
	files=$$(find cmd configs internal -name '*_test.go' -not -path '*/_*'); \
	for file in $$(grep -l '^func Fuzz' $$files | sort); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
			echo "$$(dirname $$file) $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file); \
		done; \
	done

# Hundreds of kills, also of concurrent shards, full disks and lost images. As root it also mounts in-memory
# file systems. The last line counts what was done.
faults: ## run the fault tests in their long form; takes minutes on an idle machine
	CLIPNH_FAULTS=1 $(GO) test ./internal/cache -count=1
	CLIPNH_FAULTS=1 $(GO) test ./cmd/clipnh -v -count=1 -timeout 90m \
		-run 'Killed|FileSizeLimit|FullDisk|ReadOnlyFolder|ImagesChange|TwoWriters|LockedOut|Threads|Load|Shards|HostileInputs'

bench: ## run the benchmarks; BENCH=regexp selects some
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKGS)

# Only packages with golden files have the flag -update.
golden: ## rewrite the golden files of the tests; read the diff
	@set -e; \
	files=$$(find cmd configs internal -name '*_test.go' -not -path '*/_*'); \
	for dir in $$(grep -l 'flag.Bool("update"' $$files | xargs -n 1 dirname | sort -u); do \
		$(GO) test ./$$dir -update; \
	done

bench-peers: ## compare with ONNX Runtime and PyTorch; ARGS="--help" explains
	scripts/peers/bench.sh $(ARGS)

bench-start: build ## time from the start to the first result, beside PyTorch and ONNX Runtime; ARGS="--help" explains
	python3 -B scripts/peers/start.py $(ARGS)

bench-watch: ## how often watch and two rivals find planted shifts, the table of docs/watch.md; takes minutes
	$(GO) test ./internal/pipeline/shift -run TestPower -power -v -count=1 -timeout 60m

demo: build ## run the main job on the example that the program carries
	./bin/clipnh demo

paper: build ## measure the paper's results; MODEL= VOCAB= WORDS= DATA= for real data
	./bin/clipnh paper $(PAPER_FLAGS)

$(PAPER_RESULTS:%=paper-%): paper-%: build # one of them
	./bin/clipnh paper $* $(PAPER_FLAGS)

# The generator is a module of its own, so that its packages are not the program's.
generate: ## fail if the generator of the assembly would change a file
	@before=$$(cat internal/kernel/*_a*64.s internal/kernel/*_stubs_a*64.go internal/float16/*_arm64.* | cksum) && \
	$(GO) generate ./internal/kernel && \
	if [ "$$(cat internal/kernel/*_a*64.s internal/kernel/*_stubs_a*64.go internal/float16/*_arm64.* | cksum)" != "$$before" ]; then \
		echo "go generate ./internal/kernel changed files: commit them with the generator" >&2; exit 1; fi

check: fmt vet staticcheck deadcode tidy generate docs-check static test-noasm platforms ## everything that is checked except the tests

ci: ## run what continuous integration runs
	.ci/run
