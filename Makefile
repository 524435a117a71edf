# Plain `make` prints what there is. Every target first runs Scripts/setup, which takes a second once all is installed.

SHELL := /bin/bash
PROGRAM := .build/release/wav2vec2
PREFIX ?= $(HOME)/.local
DEMO_OUTPUT ?= demo
SPEECH ?=
# Extra arguments: make demo ARGS=--miniature, make test ARGS='--filter TorchTests', make bench ARGS='--threads 1'.
ARGS ?=

# OpenMP's threads wait politely, also beside other work on the machine.
export GOMP_SPINCOUNT ?= 10000

.PHONY: help setup demo test build lint bench curves docs install clean

help:
	@echo 'make demo              prepare real speech, pre-train, fine-tune, evaluate and transcribe: about 12 minutes'
	@echo 'make test              run every test'
	@echo 'make build             build the release program $(PROGRAM)'
	@echo 'make lint              check the formatting and the rules of the house'
	@echo 'make bench             time one training step and recognition'
	@echo 'make curves SPEECH=…   learning curves on a folder of speech, checked against the committed ones: about 20 minutes'
	@echo 'make docs              build the documentation; a warning is an error'
	@echo 'make install PREFIX=…  copy the program and its libraries to a folder that can be moved'
	@echo 'make setup             install what building needs (the others do so too)'
	@echo 'make clean             delete what was built; LibTorch and the demo recordings stay in the cache'

setup:
	@Scripts/setup

demo: build
	@Scripts/demo --output $(DEMO_OUTPUT) $(ARGS)

test: setup
	@Scripts/test-setup
	swift test --parallel $(ARGS)

# The Swift runtime goes into the program, so that an installed program needs no Swift.
build: setup
	swift build --configuration release --product wav2vec2 --static-swift-stdlib

lint: setup
	@Scripts/lint

bench: build
	$(PROGRAM) benchmark pretrain $(ARGS)
	$(PROGRAM) benchmark finetune $(ARGS)
	$(PROGRAM) benchmark inference $(ARGS)

curves: build
	@Benchmarks/curves/run --speech "$(SPEECH)" $(ARGS)
	@Benchmarks/curves/check

docs: setup
	@Scripts/docs

install: build
	@Scripts/install "$(PREFIX)"

clean:
	swift package clean
	rm -rf .build/docs
