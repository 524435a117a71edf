# Plain `make` lists the targets. Every target first runs Scripts/setup, which takes a second once everything is installed.

SHELL := /bin/bash
PROGRAM := .build/release/wav2vec2
PREFIX ?= $(HOME)/.local
DEMO_OUTPUT ?= demo
SPEECH ?=
# Extra arguments: make demo ARGS=--miniature, make test ARGS='--filter TorchTests', make bench ARGS='--threads 1'.
ARGS ?=

# Eight utterances of mixed lengths, in seconds.
MIXED := 15,13,11.5,9.5,8,6,4.5,3

# The batch for the demo's models: trained weights are timed beside random ones of the same architecture.
DEMO_BATCH := 4x4

# Instruction sets to test the kernels with, in addition to the processor's best.
LESSER_INSTRUCTIONS := $(if $(filter aarch64,$(shell uname -m)),neon,avx2) plain
KERNEL_TESTS := ^KernelsTests\.|PairedConvolution|PackedModel|BatchInvariance|GoldenTests/equalsTheReference\(

# The tests that measure time.
TIMED_TESTS := BenchmarkTests/profilesAreOfTheStep

# OpenMP's threads spin only briefly, so that other work on the machine is not slowed down.
export GOMP_SPINCOUNT ?= 10000

.PHONY: help setup demo test timed-tests build lint examples bench compare curves docs install uninstall release \
    check-page check-clients check-load check-release check-container check-manifests check-arm clean

help:
	@echo 'make demo              prepare real speech, pre-train, fine-tune, evaluate and transcribe: about 7 minutes'
	@echo 'make test              run every test'
	@echo 'make timed-tests       run the tests that measure time, which need a machine without other work'
	@echo 'make build             build the release program $(PROGRAM)'
	@echo 'make lint              check the formatting and the coding rules'
	@echo 'make examples          build and run the packages in Examples/, which depend on a version of this one'
	@echo 'make bench             time training steps, recognition, data, kernels, and a trained model'
	@echo 'make compare           time this program and others on the same audio, into Benchmarks/results'
	@echo 'make check-page        try the page of the server in a real browser: about 3 minutes'
	@echo 'make check-clients     run clients of others against the server: about 5 minutes'
	@echo 'make check-load        the server with 200 clients, and with 100,000 requests: about 5 minutes'
	@echo 'make curves SPEECH=…   train on a folder of speech and check the learning curves: about 15 minutes'
	@echo 'make docs              build the documentation; a warning is an error'
	@echo 'make install PREFIX=…  install the program and its libraries into a relocatable folder'
	@echo 'make uninstall PREFIX=…  remove what make install put there'
	@echo 'make release           pack the program into one archive for machines without Swift, in dist'
	@echo 'make check-release     run that archive in fresh Debian systems without network: about 15 minutes, as root'
	@echo 'make check-container   build the container image without a daemon and run it as an operator would, as root'
	@echo 'make check-manifests   check the Dockerfiles, and the files for Kubernetes and compose against their schemas'
	@echo 'make check-arm         compile the C and C++ code for ARM and run it in an emulator: about 5 minutes'
	@echo 'make setup             install what the build needs (every target does)'
	@echo 'make clean             delete build products; LibTorch and the demo recordings stay in the cache'

setup:
	@Scripts/setup

demo: build
	@Scripts/demo --output $(DEMO_OUTPUT) $(ARGS)

test: setup
	@Scripts/test-setup
	@Scripts/test-check-gpu
	@mkdir -p .build
	@for instructions in $(LESSER_INSTRUCTIONS); do \
	    WAV2VEC2_INSTRUCTIONS=$$instructions swift test --filter '$(KERNEL_TESTS)' >.build/test-$$instructions.log 2>&1 || \
	        { cat .build/test-$$instructions.log; echo "the tests above fail with instructions of $$instructions"; exit 1; }; \
	    echo "$$instructions: $$(grep -o 'Test run with.*' .build/test-$$instructions.log)"; \
	done
	swift test --parallel $(ARGS)

# What measures time, on a machine without other work.
timed-tests: setup
	WAV2VEC2_TIMED_TESTS=1 swift test --no-parallel --filter '$(TIMED_TESTS)'

# The Swift runtime goes into the program, so that an installed program needs no Swift.
build: setup
	swift build --configuration release --product wav2vec2 --static-swift-stdlib
	@[[ ! -e .libtorch/torch/lib/libtorch_cuda.so ]] || Scripts/build-cuda .build/release

lint: setup
	@Scripts/lint

examples: setup
	@Scripts/examples

bench: build
	$(PROGRAM) benchmark pretrain --profile --trace .build/pretrain.trace.json $(ARGS)
	$(PROGRAM) benchmark pretrain --hourglass '[2,(8,4),2]' $(ARGS)
	$(PROGRAM) benchmark finetune $(ARGS)
	$(PROGRAM) benchmark finetune --utterances $(MIXED) $(ARGS)
	$(PROGRAM) benchmark inference --utterances 1x6.54 $(ARGS)
	$(PROGRAM) benchmark inference --utterances $(MIXED) $(ARGS)
	$(PROGRAM) benchmark inference --utterances $(MIXED) --one-by-one $(ARGS)
	$(PROGRAM) benchmark kernels $(ARGS)
	$(PROGRAM) benchmark data --steps 0 $(ARGS)
	@[[ -d $(DEMO_OUTPUT)/finetuned/last ]] || Scripts/demo --output $(DEMO_OUTPUT)
	@for weights in '' --random-weights; do \
	    set -x; \
	    $(PROGRAM) benchmark pretrain --utterances $(DEMO_BATCH) --manifest $(DEMO_OUTPUT)/data/pretrain-joined.tsv \
	        --checkpoint $(DEMO_OUTPUT)/pretrained/last $$weights $(ARGS) && \
	    $(PROGRAM) benchmark finetune --utterances $(DEMO_BATCH) --manifest $(DEMO_OUTPUT)/data/train.tsv \
	        --checkpoint $(DEMO_OUTPUT)/finetuned/last $$weights $(ARGS) && \
	    $(PROGRAM) benchmark inference --utterances $(DEMO_BATCH) \
	        --checkpoint $(DEMO_OUTPUT)/finetuned/last $$weights $(ARGS) || exit; \
	done

compare: build
	@Benchmarks/compare $(ARGS)

check-page: build
	@Scripts/check-page $(ARGS)

check-clients: build
	@Scripts/check-clients $(ARGS)

check-load: build
	@Scripts/check-load $(ARGS)

curves: build
	@Benchmarks/curves/run --speech "$(SPEECH)" $(ARGS)
	@Benchmarks/curves/check

docs: setup
	@Scripts/docs

# Takes the archive of `make release` in dist, or else what `make build` built.
check-container:
	@Scripts/check-container $(ARGS)

check-manifests:
	@Scripts/check-manifests

check-arm:
	@Scripts/check-arm --required --bridge $(ARGS)

install: build
	@Scripts/install "$(PREFIX)"

uninstall:
	@Scripts/uninstall "$(PREFIX)"

release: build
	@Scripts/release $(ARGS)

check-release: release
	@Scripts/check-release $(ARGS)

clean:
	swift package clean
	rm -rf .build/docs
