# Two commands do all the set-up: `make demo` shows the main job, `make test` passes
# the tests. The others are for work on the code.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOL    := go tool -modfile=tools/go.mod
# One way to compile, but for the race detector: a clean machine compiles all once, not three times.
export GOFLAGS += -buildvcs=false -trimpath
export CGO_ENABLED = 0

.PHONY: build demo dev test test-clients test-interop test-all crash crash-mutants check bench bench-mask bench-verify bench-quick generate fuzz clean

build: ## bin/hoopctl and bin/hoop-gateway, pure Go
	go build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

demo: ## the whole line on a sample clinic, and nothing left running
	@.ci/deps demo
	@$(MAKE) --no-print-directory build
	@go run ./server/servertest/demo -bin bin

dev: ## a gateway with everything embedded, until Ctrl-C
	@.ci/deps demo
	@$(MAKE) --no-print-directory build
	@bin/hoop-gateway dev

# Those that take minutes begin first, so that no processor waits for the last of them.
LONGEST := ./server/pgparse ./test/crash
# Beside the others: what waits for databases more than it computes, in parts, and matrices of
# attacks, of forged evidence and of what changes behind an approval. These go one after the
# other, so that the race detector would find in them what it finds in the packages that they
# drive, at three to eight times the cost. Where approvals race with each other, it looks.
ATTACKS  := ./test/evasions ./test/leaks
APPROVAL := TestApproval_(Answers|Changes|Code|Cursors|Definitions|Deferred|IsForThis|Names|Portals|Prepared|Reads|Settings|Stricter|Temporary|Triggers|Views|LongNames|Types|TwoPhase|WhoMay|NothingRides|EventsName|NobodyIsAsked|TimeIsUp)
LIMITS   := Test(Decoys|Export|Inference|Read|Swayed)_
SESSION  := TestApproval_|TestSession_|TestCounts_|TestReport_
MASKING  := Test(Charset|CopyClear|Derive|Large|Lineage|Look|Mask|Overlay|Shadows|SlowReader|Wide)_
FORGED   := TestBundle_|TestTamper_|TestEvidence_Kill
GOTEST   := go test -vet=off -ldflags=-w -shuffle=on -timeout 45m
# They compute, and start no goroutines: the race detector looks at them where others use them.
PURE     := ./internal/replay ./pkg/recording ./server/lineage ./server/mask ./server/pglex ./server/sqlscan
# They drive programs, or a gateway whose parts it looks at by themselves.
WHOLE    := ./cmd/hoopctl ./server/servertest
# SQLite is C translated: checks of each of its pointers would find nothing of ours.
RACE     := -race -gcflags='modernc.org/...=-d=checkptr=0'
RACETEST := CGO_ENABLED=1 $(GOTEST) $(RACE)

test: ## every package, under the race detector, in any order; matrices without it
	@.ci/deps test
	go vet ./...
	go build -o bin/test/parser-worker ./server/pgparse/pgparsetest/worker
	CGO_ENABLED=1 go build $(RACE) ./... # once, before several need it
	@export HOOP_TEST_PARSER=$(CURDIR)/bin/test/parser-worker; set -x; \
	$(GOTEST) -run '$(APPROVAL)' ./server/session & pids=$$!; \
	$(GOTEST) -run '$(LIMITS)' ./server/session & pids="$$pids $$!"; \
	$(RACETEST) -run '$(SESSION)' -skip '$(APPROVAL)' ./server/session & pids="$$pids $$!"; \
	$(RACETEST) -skip '$(APPROVAL)|$(LIMITS)|$(SESSION)' ./server/session & pids="$$pids $$!"; \
	$(GOTEST) $(ATTACKS) $(PURE) $(WHOLE) & pids="$$pids $$!"; \
	{ $(GOTEST) -run '$(MASKING)' ./server/proxy/postgres && $(GOTEST) -run '$(FORGED)' ./server/audit && $(RACETEST) -skip '$(FORGED)' ./server/audit; } & pids="$$pids $$!"; \
	$(RACETEST) -skip '$(MASKING)' ./server/proxy/postgres & pids="$$pids $$!"; \
	$(RACETEST) -p 2 $(LONGEST) $$(go list ./... | grep -v $(patsubst .%,-e %$$,$(ATTACKS) $(PURE) $(WHOLE) ./server/audit ./server/proxy/postgres ./server/session)) & pids="$$pids $$!"; \
	set +x; failed=0; for pid in $$pids; do wait $$pid || failed=1; done; exit $$failed

test-clients: ## real clients through a real gateway, compared with PostgreSQL itself
	@.ci/deps clients
	go vet -tags clients ./test/clients
	go test -tags clients -count=1 -parallel 4 -timeout 20m ./test/clients

test-interop: ## other people's programs: they accept our log, we work with theirs; a second reader, in Python
	@.ci/deps interop
	cd test/interop && go vet -mod=mod ./... && go test -mod=mod -count=1 -timeout 20m ./... # the product's own go.mod may have moved on

CRASH_ROUNDS ?= 1000
GATEWAY_ROUNDS ?= 250
crash: ## kill -9 and power cuts, CRASH_ROUNDS of each; kill -9 of the real gateway, GATEWAY_ROUNDS; half an hour
	HOOP_CRASH_ROUNDS=$(CRASH_ROUNDS) go test -count=1 -timeout 3h -run 'PowerCut|TestEvidence_Kill' -v ./server/audit ./server/record ./server/journal ./server/witness
	@.ci/deps demo
	HOOP_CRASH_ROUNDS=$(GATEWAY_ROUNDS) go test -count=1 -timeout 5h -run TestGateway_Kill -v ./test/crash

crash-mutants: ## leaves one fsync out at a time; a crash harness must fail for each
	go run ./server/journal/faultfs/mutants

test-providers: ## sign-in by SimpleSAMLphp, and the sign-in kept by gnome-keyring
	@.ci/deps providers
	go vet -tags signin ./test/signin
	go test -tags signin -count=1 -timeout 15m -run 'Providers|Keyring' ./test/signin

test-browser: ## Chromium: sign-in by sample users, OpenID Connect and SAML; approvals
	@.ci/deps browser
	go vet -tags signin ./test/signin
	go test -tags signin -count=1 -timeout 15m -run Browser ./test/signin

# Those after the demo mostly wait for each other's programs: three of them at once.
test-all: ## the demo, real clients, identity providers and browsers, other people's verifiers, every fsync left out once
	@$(MAKE) --no-print-directory demo
	@for what in clients providers browser interop; do .ci/deps $$what || exit; done
	@$(MAKE) --no-print-directory -j 3 test-clients test-browser crash-mutants test-interop test-providers

check: ## what every commit passes
	@test -z "$$(gofmt -l cmd internal pkg server test)" || { gofmt -l cmd internal pkg server test; exit 1; }
	@test -z "$$($(TOOL) gofumpt -l cmd internal pkg server test)" || { $(TOOL) gofumpt -l cmd internal pkg server test; exit 1; }
	$(TOOL) staticcheck ./...
	$(MAKE) test

bench: build ## benchmarks, then the whole line; compare ratios of one run, never absolute figures of two
	go test -run '^$$' -bench . -benchmem ./...
	go run ./server/servertest/bench

bench-mask: ## precision and recall of every detector on a made-up corpus, and how fast they are
	go test -count=1 -v -run TestDetectors_Corpus ./server/mask
	go test -run '^$$' -bench 'Scan|Redact' -benchmem ./server/mask

EVENTS ?= 1000000
bench-verify: build ## a bundle of EVENTS events: CPU, wall and memory of hoopctl audit verify
	go run ./server/servertest/benchverify -events $(EVENTS)

bench-quick: build ## one short round: does everything run?
	go run ./server/servertest/bench -rounds 1 -seconds 1 -rows 100000 -scale 1 -idle 50

generate: ## completions, docs/effects.md, docs/reference
	go generate ./...

# Each package is built once, with coverage instrumentation, for all of its targets.
# `make test` runs what is in their corpora: CI says the same twice.
FUZZTIME ?= 10s
fuzz: ## every fuzz target for FUZZTIME, or for as many inputs as 500x says
	@set -e; tmp=$$(mktemp -d); trap 'rm -rf $$tmp' EXIT; \
	for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' cmd internal pkg server test | xargs -n1 dirname | sort -u); do \
		go test -c -fuzz . -o $$tmp/fuzz.test ./$$pkg; \
		for f in $$(grep -h '^func Fuzz' $$pkg/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/'); do \
			echo "fuzz $$pkg $$f"; \
			(cd $$pkg && $$tmp/fuzz.test -test.run '^$$' -test.fuzz "^$$f\$$" -test.fuzztime $(FUZZTIME) -test.fuzzcachedir $$tmp/$$pkg); \
		done; \
	done

clean:
	rm -rf bin dist
