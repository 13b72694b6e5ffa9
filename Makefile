# SPDX-License-Identifier: GPL-2.0
#
# make            dm-sosnap.ko for every installed set of kernel headers, and the tool
# make check      set-up, build, all tests (root for the set-up only); what CI runs
# make quick      what needs neither root nor a kernel: unit, tool and style checks
# make soak       the long runs, from new seeds: SOAK_SECONDS=14400 (scripts/soak)
# make check-debug  the suite on kernels that watch memory, locks and races: DEBUG_KERNELS="kasan kcsan"
# make bench-scale  two CPUs beside one, and beside dm-linear
# make bench-latency  overwrites during a checkpoint of a million records
# make demo       many guests from one gold image, in a virtual machine
# make demo-nbd   a storage host, and guests that boot from it over NBD
# make tour       all that a host does with snapshots, as its administrator sees it: KERNEL=6.1 (root)
# make bench      instructions and device operations per I/O, beside dm-linear, dm-snapshot and dm-thin
# make install    the module for the running kernel, and the tool
# make deb        Debian packages in build/deb
# make check-deb  them installed, upgraded and purged in a clean Debian (root)
# make clean
#
# Everything that is built goes to build/.

SHELL := /bin/bash
.DELETE_ON_ERROR:

KERNELS ?= 6.1 6.12
DESTDIR ?=
RELEASE ?= $(shell uname -r)
DEBUG_KERNELS ?= kasan kcsan

build := $(CURDIR)/build
check := $(build)/check

.PHONY: all modules tool programs setup unit fuzz kernel-tree check check-vm check-debug soak \
	quick style demo demo-nbd tour bench bench-scale bench-latency deb check-deb \
	install install-module install-tool clean FORCE

all: modules tool

modules:
	@scripts/build-modules

tool:
	@$(MAKE) --no-print-directory -C userspace

programs:
	@$(MAKE) --no-print-directory -C tests programs

setup:
	@scripts/setup-packages build check style fuzz

# --- tests -------------------------------------------------------------------

# Each part writes a TAP or KTAP log; ktap-sum alone decides, so that a part
# that fails does not hide the ones after it.
unit:
	@mkdir -p $(check)
	@$(MAKE) --no-print-directory -C tests/unit run > $(check)/unit.ktap 2> $(check)/unit.err || \
		{ tail -n 60 $(check)/unit.err; }
	@if [ -f tests/cli/Makefile ]; then \
		$(MAKE) --no-print-directory -C tests/cli run > $(check)/cli.ktap 2> $(check)/cli.err || \
		tail -n 60 $(check)/cli.err; fi

# Two minutes or so; the long runs are 'make -C tests/fuzz soak'.
fuzz:
	@mkdir -p $(check)
	@$(MAKE) --no-print-directory -C tests/fuzz run > $(check)/fuzz.ktap || cat $(check)/fuzz.ktap

kernel-tree:
	@mkdir -p $(check)
	@tests/kernel-tree/run > $(check)/kernel-tree.ktap || cat $(check)/kernel-tree.ktap

style:
	@mkdir -p $(check)
	@scripts/check-style > $(check)/style.ktap || grep -v '^ok' $(check)/style.ktap

# Two machines at a time: one for each kernel.
check-vm: programs
	@mkdir -p $(check)
	@$(MAKE) --no-print-directory -j2 $(KERNELS:%=check-vm-%)

check-vm-%: FORCE
	@echo "testing under $*"
	@tests/vm/run-suite --log-dir $(check)/$* $* > $(check)/vm-$*.ktap || true
	@grep -E '^(not )?ok' $(check)/vm-$*.ktap || true

check: setup
	@rm -rf $(check) && mkdir -p $(check)
	@start=$$SECONDS; $(MAKE) --no-print-directory all programs && \
	$(MAKE) --no-print-directory -j2 unit fuzz kernel-tree style && \
	$(MAKE) --no-print-directory check-vm && \
	echo "make check took $$((SECONDS - start)) s; logs are in build/check" && \
	scripts/ktap-sum $(check)/*.ktap

# Not part of check: the kernels are built once, the suite takes long on them.
check-debug: setup tool programs
	@mkdir -p $(check) && rm -f $(check)/debug-*.ktap
	@for variant in $(DEBUG_KERNELS); do \
		kernel=$$(scripts/build-debug-kernel $$variant) && scripts/build-modules "$$kernel" || exit 1; \
		echo "testing under $${kernel##*/vmlinuz-}"; \
		SOSNAP_SLOWER=10 SOSNAP_SUITE_TIMEOUT=20000 tests/vm/run-suite --log-dir $(check)/$$variant \
			"$$kernel" $(T) > $(check)/debug-$$variant.ktap || true; \
		grep -E '^(not )?ok' $(check)/debug-$$variant.ktap || true; \
	done
	@scripts/ktap-sum $(DEBUG_KERNELS:%=$(check)/debug-%.ktap)

soak: setup
	@scripts/soak

quick:
	@rm -f $(check)/*.ktap
	@$(MAKE) --no-print-directory tool style unit
	@scripts/ktap-sum $(check)/*.ktap

bench: setup all
	@for kernel in $(or $(KERNEL),$(KERNELS)); do scripts/bench --kernel $$kernel || exit 1; done

bench-scale: setup all
	@for kernel in $(KERNELS); do scripts/bench-scale --kernel $$kernel || exit 1; done

bench-latency: setup all
	@for kernel in $(KERNELS); do scripts/bench-scale --kernel $$kernel --latency || exit 1; done

# --- packages ------------------------------------------------------------------

deb:
	@scripts/setup-packages build deb
	@scripts/build-deb

check-deb:
	@scripts/setup-packages build deb
	@scripts/check-deb

# --- demo, install -----------------------------------------------------------

demo:
	@scripts/setup-packages build demo
	@$(MAKE) --no-print-directory all
	@scripts/demo

demo-nbd:
	@scripts/setup-packages build demo
	@$(MAKE) --no-print-directory all
	@scripts/demo-nbd $(KERNEL:%=--kernel %)

tour:
	@scripts/setup-packages build tour
	@$(MAKE) --no-print-directory all
	@scripts/tour $(KERNEL:%=--kernel %)

install: install-module install-tool

install-module:
	@[ -e $(build)/$(RELEASE)/dm-sosnap.ko ] || \
		{ echo "no module for $(RELEASE): install linux-headers-$(RELEASE) and run make"; exit 1; }
	install -D -m 644 $(build)/$(RELEASE)/dm-sosnap.ko \
		$(DESTDIR)/lib/modules/$(RELEASE)/updates/dm-sosnap.ko
	$(if $(DESTDIR),,depmod -a $(RELEASE))

install-tool:
	@$(MAKE) --no-print-directory -C userspace install DESTDIR=$(DESTDIR)

clean:
	@rm -rf $(build)/check $(build)/user $(build)/sosnap $(build)/vm
	@for dir in $(build)/*/; do \
		[ ! -e "$$dir/Kbuild" ] || rm -rf "$$dir"; done

FORCE:
