# make = help. Knobs: make run API_PORT=8071 WORKERS=3
API_PORT  ?= 8070
ETCD_PORT ?= 2379
WORKERS   ?= 2
DATA      ?= .run
RID       ?= linux-x64
MINUTES   ?= 30
SEED      ?= $(shell date +%s)
FAULTS    ?=
FIRES     ?= 1000000
PREVIOUS  ?=
SEEDS     ?=
PROMISES  ?= cursor session spool turns backlog
SHOTS     ?= .artifacts/screenshots
JOBS      ?= 10000
RUNS      ?= 1000000
BIN       ?= out
SMOKE     ?=
export API_PORT ETCD_PORT WORKERS DATA BIN
export DOTNET_CLI_TELEMETRY_OPTOUT = 1
export DOTNET_NOLOGO = 1

NATIVE  := .artifacts/native
SOURCES := $(shell git ls-files -co --exclude-standard -- common master worker '*.props' '*.targets' global.json 2>/dev/null)
PUBLISH  = dotnet publish $(1) -c Release -r $(RID) -p:PublishAot=true -p:RunAnalyzers=false \
           -p:ArtifactsPath=$(CURDIR)/$(NATIVE) -p:SqliteArchive=$$(cc -print-file-name=libsqlite3.a) -v quiet

.PHONY: help run test test-fast test-deploy screenshots console-speed build publish dist test-dist bench lines chaos chaos-judge test-upgrade golden simulate scale clean
.DELETE_ON_ERROR:

help:
	@echo 'make run      everything on this host: etcd, a master with the console on 127.0.0.1:$(API_PORT), $(WORKERS) workers'
	@echo 'make test     every test but the long ones below, on the native executables where it matters'
	@echo 'make test-fast   for everyday work: needs etcd, but no native executables, hosts or log store; takes about a minute'
	@echo 'make build    all projects, for development'
	@echo 'make publish  out/dts-master and out/dts-worker, native, one file each'
	@echo 'make dist     a release in out/dist: tarball, bill of materials, SHA256SUMS'
	@echo 'make test-dist   makes it twice, in clones of this commit, and compares'
	@echo 'make deploy   installs on hosts over ssh: make deploy HOSTS="a b" ROLE=worker [ETCD=host:2379] [WAVE=10] [TARBALL=release] [USER=root]'
	@echo 'make rollback, make undeploy, make status   with the same arguments'
	@echo 'make test-deploy   tests these on three hosts booted here'
	@echo 'make screenshots   pictures of each page of the console, in $(SHOTS)'
	@echo 'make console-speed   measures the console with many jobs and runs: make console-speed JOBS=10000 RUNS=1000000'
	@echo 'make bench    measures the published figures and writes docs/benchmarks.md, in 20 to 32 minutes; one part alone: make bench ARGS=starts'
	@echo 'make lines    lines of product code in each folder, without blanks, comments and lone braces'
	@echo 'make chaos    a long fault test: make chaos MINUTES=30 SEED=7'
	@echo 'make chaos-judge   shows that the fault test finds broken promises'
	@echo 'make test-upgrade   the previous version and this one side by side, up and down, under faults: make test-upgrade PREVIOUS=commit MINUTES=1'
	@echo 'make simulate   the cluster on one thread and a simulated clock, under every fault: make simulate FIRES=1000000 SEED=7 [SEEDS=10]'
	@echo 'make scale    what many workers and jobs cost an etcd, simulated: make scale WORKERS=1000 JOBS=1000000'
	@echo 'make clean    removes build results and the data of make run'

run: $(BIN)/dts-master $(BIN)/dts-worker
	@.ci/need etcd
	@exec .ci/run-local

# All that the tests need is made side by side: each of these alone leaves a processor idle.
test:
	@.ci/need dotnet clang zlib sqlite etcd croniter cc cron ip pymongo nginx systemd prometheus chromium fonts jq
	@{ .ci/documentdb >/dev/null && { .ci/hosts >/dev/null || echo 'the deployment test will be skipped'; }; } & servers=$$!; \
	   $(MAKE) -s out/dts-master out/dts-worker & native=$$!; \
	   dotnet build dts.slnx -v quiet; built=$$?; wait $$servers && wait $$native && exit $$built
	@DTS_BIN=$(CURDIR)/out .artifacts/bin/Dts.Tests/debug/Dts.Tests -maxThreads 1.5x $(ARGS)

# Put a test that takes long, or needs more than etcd, into one of the namespaces left out here.
test-fast:
	@.ci/need dotnet etcd
	@dotnet build tests -v quiet
	@echo 'left out: tests/cluster (native executables, hosts, faults), tests/integration/Logs and Master, croniter; make test runs all'
	@.artifacts/bin/Dts.Tests/debug/Dts.Tests -maxThreads 2x -namespace- 'Dts.Tests.Cluster*' -namespace- 'Dts.Tests.Integration.Logs*' \
	   -namespace- 'Dts.Tests.Integration.Master*' -class- '*.CroniterTests' $(ARGS)

build:
	@.ci/need dotnet
	@dotnet build dts.slnx -v quiet

publish: out/dts-master out/dts-worker
	@ls -l out/dts-master out/dts-worker

out/dts-%: $(SOURCES)
	@.ci/need dotnet clang zlib sqlite
	@echo "publishing dts-$* for $(RID); this takes a minute"
	@$(call PUBLISH,$*)
	@mkdir -p out && cp $(NATIVE)/publish/Dts.$(if $(filter master,$*),Master,Worker)/release_$(RID)/dts-$* $@.new && chmod 755 $@.new && mv $@.new $@ && touch $@

dist: out/dts-master out/dts-worker
	@.ci/dist out $(RID) out/dist

# The clones have names of different lengths and lie at different depths, so that a path in an executable would show.
test-dist:
	@rm -rf .artifacts/dist
	@for clone in a another/clone; do git clone -q . .artifacts/dist/$$clone && $(MAKE) --no-print-directory -C .artifacts/dist/$$clone dist || exit 1; done
	@cd .artifacts/dist && for file in a/out/dist/*; do cmp $$file another/clone/out/dist/$${file##*/} || exit 1; done
	@echo 'both clones made the same release:' && cat .artifacts/dist/a/out/dist/SHA256SUMS

CHAOS = DTS_BIN=$(CURDIR)/out CHAOS_MINUTES=$(MINUTES) CHAOS_SEED=$(SEED) .artifacts/bin/Dts.Tests/debug/Dts.Tests -class Dts.Tests.Cluster.Chaos.ChaosTests

chaos: out/dts-master out/dts-worker
	@.ci/need dotnet etcd ip
	@dotnet build tests -v quiet
	@CHAOS_FAULTS="$(FAULTS)" $(CHAOS)

# Each of these must fail.
chaos-judge: MINUTES = 1.5
chaos-judge: out/dts-master out/dts-worker
	@.ci/need dotnet etcd ip
	@dotnet build tests -v quiet
	@dotnet publish worker -c Release -r $(RID) -p:DtsSabotage=true --self-contained \
	   -p:ArtifactsPath=$(CURDIR)/.artifacts/sabotage -o .artifacts/sabotage/out -v quiet
	@for promise in $(PROMISES); do \
	   case $$promise in session) faults=stall ;; spool) faults=kill ;; turns) faults=burst ;; backlog) faults=stall-all ;; *) faults= ;; esac; \
	   CHAOS_WORKER=$(CURDIR)/.artifacts/sabotage/out/dts-worker DTS_SABOTAGE=$$promise CHAOS_FAULTS=$$faults $(CHAOS) >.artifacts/sabotage/$$promise.log 2>&1; \
	   if found=$$(grep -m1 -o '[0-9]* faults, seed [0-9]*' .artifacts/sabotage/$$promise.log); then echo "without its $$promise: $$found"; \
	   else echo "without its $$promise nothing was found: the judge is blind; see .artifacts/sabotage/$$promise.log" >&2; exit 1; fi; done

# Of the newest release before this commit, or of PREVIOUS=commit, and the present version side by side.
test-upgrade: MINUTES = 1
test-upgrade: out/dts-master out/dts-worker
	@.ci/need dotnet etcd ip clang zlib sqlite
	@dotnet build tests -v quiet
	@previous=$$(.ci/previous $(PREVIOUS)) && DTS_BIN=$(CURDIR)/out UPGRADE_FROM=$$previous CHAOS_MINUTES=$(MINUTES) CHAOS_SEED=$(SEED) \
	   .artifacts/bin/Dts.Tests/debug/Dts.Tests -explicit only -class Dts.Tests.Cluster.Chaos.UpgradeTests

# Keeps what a released version writes, which later versions must read (tests/golden): make golden PREVIOUS=v1.0.0
golden:
	@.ci/need dotnet etcd clang zlib sqlite
	@.ci/documentdb >/dev/null
	@dotnet build tests -v quiet
	@previous=$$(.ci/previous $(PREVIOUS)) && GOLDEN_VERSION=$$(git describe --tags --always $$(basename $$previous)) DTS_BIN=$$previous \
	   .artifacts/bin/Dts.Tests/debug/Dts.Tests -explicit only -namespace Dts.Tests.Cluster.Upgrade

simulate:
	@.ci/need dotnet
	@dotnet build tests -c Release -v quiet
	@SIM_FIRES=$(FIRES) SIM_SEED=$(SEED) SIM_SEEDS=$(SEEDS) .artifacts/bin/Dts.Tests/release/Dts.Tests -explicit only -showLiveOutput \
	   -method Dts.Tests.Simulation.LongSimulation.Whatever_fails_the_promises_hold $(ARGS)

scale: WORKERS = 1000
scale: JOBS = 1000000
scale:
	@.ci/need dotnet
	@dotnet build tests -c Release -v quiet
	@SIM_WORKERS=$(WORKERS) SIM_JOBS=$(JOBS) .artifacts/bin/Dts.Tests/release/Dts.Tests -explicit only -showLiveOutput \
	   -method Dts.Tests.Simulation.SimScale.Costs $(ARGS)

include systemd/deploy.mk

test-deploy: out/dts-master out/dts-worker
	@.ci/need dotnet etcd nginx jq
	@.ci/hosts >/dev/null
	@dotnet build tests -v quiet
	@DTS_BIN=$(CURDIR)/out .artifacts/bin/Dts.Tests/debug/Dts.Tests \
	   $(foreach name,Deploy DeployRelease DeployWaves,-class Dts.Tests.Cluster.$(name)Tests) $(ARGS)

screenshots: out/dts-master out/dts-worker
	@.ci/need dotnet etcd chromium fonts
	@dotnet build tests -v quiet
	@mkdir -p $(SHOTS)
	@DTS_BIN=$(CURDIR)/out SCREENSHOTS=$(abspath $(SHOTS)) .artifacts/bin/Dts.Tests/debug/Dts.Tests -class Dts.Tests.Cluster.ConsolePages.Screenshots

console-speed: out/dts-master out/dts-worker
	@.ci/need dotnet etcd chromium
	@dotnet build tests -v quiet
	@DTS_BIN=$(CURDIR)/out CONSOLE_SPEED="$(JOBS) $(RUNS)" .artifacts/bin/Dts.Tests/debug/Dts.Tests -class Dts.Tests.Cluster.ConsolePages.SpeedFigures

# BIN=folder measures other executables. SMOKE=1 measures next to nothing and only shows that every part runs; the page stays as it is.
bench: $(BIN)/dts-master $(BIN)/dts-worker
	@.ci/need dotnet etcd cc clang zlib cron
	@.ci/documentdb >/dev/null
	@DTS_BIN=$(abspath $(BIN)) BENCH_SMOKE=$(SMOKE) dotnet run -c Release --project tests/bench -- $(ARGS)

lines:
	@git ls-files 'common/*.cs' 'master/*.cs' 'worker/*.cs' | xargs awk '!/^[[:space:]]*(\/\/.*|[{}();]*)[[:space:]]*$$/ { folder = FILENAME; sub("/[^/]*$$", "", folder); lines[folder]++; all++ } \
	   END { for (folder in lines) printf "%6d %s\n", lines[folder], folder; printf "%6d all\n", all }' | sort -k 2

clean:
	rm -rf .artifacts out .run BenchmarkDotNet.Artifacts
