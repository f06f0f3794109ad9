# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   make                 build/xlbd, build/xlbctl           V=1 shows commands
#   make install         PREFIX, DESTDIR, UNITDIR           WERROR=1 makes warnings errors
#   make unit packet oracle verifier fuzz guard             SAN=address,undefined builds with sanitizers
#   make bench                                              what a packet costs; needs root
#   make bench-net                                          xlb beside others; needs root
#   make format-check compdb clean
#
# Every *.c below user/<folder> and tests/<suite> is found by itself: adding a file needs no change here.

VERSION := $(file <VERSION)
CC := gcc
CLANG ?= clang-14
CLANG_FORMAT ?= clang-format-14
BPFTOOL ?= $(firstword $(foreach dir,$(subst :, ,$(PATH)) /usr/local/sbin /usr/sbin /sbin,$(wildcard $(dir)/bpftool)) bpftool)
PKG_CONFIG ?= pkg-config

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= /lib/systemd/system

comma := ,
BUILD ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
TESTS := $(BUILD)/tests
Q := $(if $(V),,@)
silent := $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
say = $(if $(V),,@$(if $(silent),,printf '  %-8s %s\n' '$(1)' '$(2)';))

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: all install uninstall clean unit packet oracle verifier fuzz unit-build packet-build oracle-build verifier-build \
	fuzz-build bench-build bench bench-100m bench-net guard guard-build guard-update verifier-update tools format format-check compdb FORCE
all: $(BUILD)/xlbd $(BUILD)/xlbctl

# --- what must be there --------------------------------------------------------------------------

PACKAGES_XLBD := libbpf libnl-3.0 libevent libevent_pthreads jansson libfyaml openssl
PACKAGES_XLBCTL := jansson libfyaml libcurl smartcols ncursesw
PACKAGES_TEST := cmocka

ifneq ($(filter-out clean uninstall format format-check,$(or $(MAKECMDGOALS),all)),)
absent := $(foreach tool,$(CC) $(CLANG) $(BPFTOOL) $(PKG_CONFIG),$(if $(shell command -v $(tool)),,$(tool)))
ifeq ($(absent),)
absent := $(foreach package,$(PACKAGES_XLBD) $(PACKAGES_XLBCTL),\
	$(shell $(PKG_CONFIG) --exists $(package) || echo $(package)))
endif
ifneq ($(strip $(absent)),)
$(error Missing to build xlb: $(strip $(absent)). Run scripts/deps.sh build, which installs it)
endif
cflags_of = $(shell $(PKG_CONFIG) --cflags $(1))
libs_of = $(shell $(PKG_CONFIG) --libs $(1))
endif

# --- flags ---------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wimplicit-fallthrough \
	-Wvla -Wformat=2 -Wpointer-arith $(if $(WERROR),-Werror)
ifneq ($(findstring clang,$(CC)),)
WARNINGS += -Wno-implicit-fallthrough # clang does not read the comments of uthash.h that gcc does
endif
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
HARDEN := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE
INCLUDES := -Iinclude -Iuser -I$(BUILD)
C_FLAGS := -std=gnu11 -O2 -g $(WARNINGS) -D_GNU_SOURCE -DXLB_VERSION='"$(VERSION)"' $(HARDEN) $(SANITIZE) \
	$(call cflags_of,$(PACKAGES_XLBD) $(PACKAGES_XLBCTL)) $(CFLAGS)
LD_FLAGS := -pie -pthread -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)
BPF_FLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wshadow -Wimplicit-int-conversion \
	-Wenum-conversion -Iinclude -Ibpf -I$(BUILD) -idirafter /usr/include/$(shell uname -m)-linux-gnu

# everything is rebuilt when a flag or a tool changes
$(BUILD)/flags: FORCE | $(BUILD)
	@printf '%s\n' "$$FLAGS_NOW" | cmp -s - $@ || printf '%s\n' "$$FLAGS_NOW" >$@
export FLAGS_NOW = $(CC) $(C_FLAGS) $(LD_FLAGS) $(CLANG) $(BPF_FLAGS) $(BPFTOOL)
$(BUILD):
	@mkdir -p $@

# --- the datapath --------------------------------------------------------------------------------

MODES := $(wildcard bpf/mode_*.h)
$(BUILD)/modes.h: $(MODES) $(BUILD)/flags
	$(call say,GEN,$@)printf '#include "%s"\n' $(notdir $(MODES)) >$@
$(BUILD)/xlb.bpf.o: bpf/xlb.bpf.c $(BUILD)/modes.h $(BUILD)/flags
	$(call say,BPF,$@)$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@
$(BUILD)/xlb.skel.h: $(BUILD)/xlb.bpf.o
	$(call say,SKEL,$@)echo '#include "xlb/abi.h"' >$@ && $(BPFTOOL) gen skeleton $< name xlb >>$@

# what brings ports to the sockets of others
$(BUILD)/sockets.bpf.o: bpf/sockets.bpf.c $(BUILD)/flags
	$(call say,BPF,$@)$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@
$(BUILD)/sockets.skel.h: $(BUILD)/sockets.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name sockets >$@

# --- the programs --------------------------------------------------------------------------------

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
BASE := $(wildcard user/base/*.c)
CORE := $(wildcard user/core/*.c)
SYS := $(filter-out user/sys/sink_fake.c,$(wildcard user/sys/*.c))
XLBD := $(wildcard user/xlbd/*.c)
XLBCTL := $(wildcard user/xlbctl/*.c)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(C_FLAGS) $(INCLUDES) -MMD -MP -c $< -o $@
$(call objects,$(wildcard user/sys/datapath*.c)): $(BUILD)/xlb.skel.h $(BUILD)/sockets.skel.h

$(BUILD)/xlbd: $(call objects,$(BASE) $(CORE) $(SYS) $(XLBD))
	$(call say,LD,$@)$(CC) $(LD_FLAGS) $^ -o $@ $(call libs_of,$(PACKAGES_XLBD))
$(BUILD)/xlbctl: $(call objects,$(BASE) $(CORE) $(XLBCTL))
	$(call say,LD,$@)$(CC) $(LD_FLAGS) $^ -o $@ $(call libs_of,$(PACKAGES_XLBCTL))

# --- tests: TAP on stdout, summed up by tests/summary --------------------------------------------

# An archive, so that a test which brings its own version of a part (a fake engine) is linked without ours.
$(BUILD)/libxlb.a: $(call objects,$(BASE) $(CORE) $(wildcard user/sys/*.c) $(filter-out user/xlbd/main.c,$(XLBD)))
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^
LIBS_TEST = $(BUILD)/libxlb.a $(call libs_of,$(PACKAGES_XLBD) $(PACKAGES_TEST))


# one program per file: tests/unit/test_*.c, tests/bench/*.c and, of libc only, tests/tools/*.c
programs = $(patsubst tests/%.c,$(TESTS)/%,$(wildcard tests/$(1)))
UNIT := $(call programs,unit/test_*.c)
TOOLS := $(filter-out %.bpf,$(call programs,tools/*.c))
# ... but for what several benches share
BENCH_PARTS := measure farm report
BENCH := $(filter-out $(patsubst %,$(TESTS)/bench/%,$(BENCH_PARTS)),$(call programs,bench/*.c))
GUARD := $(call programs,guard/*.c)
FARM := $(call objects,$(filter-out %/main.c,$(wildcard tests/packet/*.c)) $(patsubst %,tests/bench/%.c,$(BENCH_PARTS)))
$(addprefix $(TESTS)/bench/,bench capacity hotpath flood) $(GUARD): $(FARM)
$(TESTS)/bench/layouts: $(call objects,tests/bench/measure.c)
$(UNIT) $(BENCH) $(GUARD): $(TESTS)/%: $(BUILD)/obj/tests/%.o $(BUILD)/libxlb.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LD_FLAGS) $(filter %.o,$^) -o $@ $(LIBS_TEST)
$(TOOLS): $(TESTS)/%: $(BUILD)/obj/tests/%.o
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LD_FLAGS) $< -o $@

$(TESTS)/tools/%.bpf.o: tests/tools/%.bpf.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@

# one program of all files of tests/<suite>
define suite_program
$(TESTS)/$(1)/$(1): $(call objects,$(wildcard tests/$(1)/*.c)) $(BUILD)/libxlb.a
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$(CC) $(LD_FLAGS) $$(filter %.o,$$^) -o $$@ $$(LIBS_TEST)
$(call objects,$(wildcard tests/$(1)/*.c)): $(BUILD)/xlb.skel.h $(BUILD)/sockets.skel.h
endef
SUITES := $(foreach suite,packet verifier,$(if $(wildcard tests/$(suite)/*.c),$(suite)))
$(foreach suite,$(SUITES),$(eval $(call suite_program,$(suite))))

# What the oracle asks the real program by: the world of the packet tests with a tongue
BRIDGE := $(TESTS)/oracle/bridge
$(BRIDGE): $(call objects,$(wildcard tests/oracle/*.c) $(filter-out %/main.c,$(wildcard tests/packet/*.c))) \
		$(BUILD)/libxlb.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LD_FLAGS) $(filter %.o,$^) -o $@ $(LIBS_TEST)

# Fuzz targets, with libFuzzer; they may include all of bpf/, for which tests/fuzz has what libbpf has not on a host.
FUZZ := $(call programs,fuzz/fuzz_*.c)
FUZZ_FLAGS = $(filter-out -fPIE -D_FORTIFY_SOURCE=2 -Wpointer-arith $(SANITIZE),$(C_FLAGS)) -fsanitize=address,undefined \
	-fno-sanitize-recover=all -Wno-unknown-warning-option -Wno-implicit-fallthrough
fuzz_objects = $(patsubst %.c,$(BUILD)/obj-fuzz/%.o,$(1))
$(BUILD)/obj-fuzz/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(INCLUDES) -Itests/fuzz -Ibpf -MMD -MP -c $< -o $@
$(call fuzz_objects,$(wildcard tests/fuzz/*.c)): $(BUILD)/modes.h
$(BUILD)/libfuzz.a: $(call fuzz_objects,$(BASE) $(CORE) $(patsubst %,tests/packet/%.c,frame decode compare))
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^
$(FUZZ): $(TESTS)/%: $(BUILD)/obj-fuzz/tests/%.o $(BUILD)/libfuzz.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CLANG) -fsanitize=fuzzer,address,undefined $^ -o $@ $(call libs_of,$(PACKAGES_XLBCTL))

unit-build: $(UNIT)
oracle-build: $(BRIDGE)
packet-build: $(if $(filter packet,$(SUITES)),$(TESTS)/packet/packet)
verifier-build: $(if $(filter verifier,$(SUITES)),$(TESTS)/verifier/verifier)
fuzz-build: $(FUZZ)
tools: $(TOOLS) $(patsubst tests/%.c,$(TESTS)/%.o,$(wildcard tests/tools/*.bpf.c))
bench-build: $(BENCH)
guard-build: $(GUARD) tools
bench-net: all tools
	$(Q)BUILD=$(BUILD) tests/bench/net.sh

# some minutes; the table is printed and written to build/bench.json
bench: bench-build tools
	$(Q)BUILD=$(BUILD) $(TESTS)/bench/bench
# a flow table of a hundred million, if there is memory for it
bench-100m: bench-build tools
	$(Q)BUILD=$(BUILD) $(TESTS)/bench/capacity

unit packet oracle verifier fuzz guard: %: %-build FORCE
	$(Q)BUILD=$(BUILD) tests/run $@

# after a change of the datapath: records what the verifier of this kernel now counts
verifier-update: verifier-build
	$(TESTS)/verifier/verifier --update

# the same for the instructions that packets cost
guard-update: guard-build
	$(Q)BUILD=$(BUILD) tests/guard.sh --update

# --- the source's form ---------------------------------------------------------------------------

SOURCES := $(wildcard bpf/*.[ch] include/xlb/*.h user/*/*.[ch] tests/*/*.[ch])
format-check:
	$(Q)! $(CLANG_FORMAT) --dry-run $(SOURCES) 2>&1 | sed -n 's/^\([^: ]*\):[0-9].*/\1/p' | uniq -c | grep .
format:
	$(Q)$(CLANG_FORMAT) -i $(SOURCES)

compdb_row = {"directory": "$(CURDIR)", "file": "$(1)", "command": "$(subst ",\",$(2)) -c $(1)"}
compdb:
	$(file >compile_commands.json,[)
	$(foreach file,$(filter user/%.c tests/%.c,$(SOURCES)),\
		$(file >>compile_commands.json,$(call compdb_row,$(file),$(CC) $(C_FLAGS) $(INCLUDES))$(comma)))
	$(file >>compile_commands.json,$(call compdb_row,bpf/sockets.bpf.c,$(CLANG) $(BPF_FLAGS))$(comma))
	$(file >>compile_commands.json,$(call compdb_row,bpf/xlb.bpf.c,$(CLANG) $(BPF_FLAGS))])

# --- install -------------------------------------------------------------------------------------

MAN := $(wildcard docs/man/*.[1-8])
COMPLETION := $(wildcard packaging/xlbctl.bash)
UNITS := $(patsubst packaging/%.in,%,$(wildcard packaging/*.service.in))
unit_path = $(DESTDIR)$(UNITDIR)/$(1)
man_path = $(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))

# Groups are made and systemd is told only when installing into the running system.
install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(UNITDIR)
	install -m 755 $(BUILD)/xlbd $(DESTDIR)$(SBINDIR)/xlbd
	install -m 755 $(BUILD)/xlbctl $(DESTDIR)$(BINDIR)/xlbctl
	$(foreach unit,$(UNITS),sed 's|@SBINDIR@|$(SBINDIR)|g' packaging/$(unit).in >$(call unit_path,$(unit)) && \
		chmod 644 $(call unit_path,$(unit)) &&) true
	$(foreach page,$(MAN),install -D -m 644 $(page) $(call man_path,$(page)) &&) true
	$(foreach file,$(COMPLETION),install -D -m 644 $(file) $(DESTDIR)$(COMPLETIONDIR)/xlbctl &&) true
	$(if $(DESTDIR),,groupadd -f --system xlb && groupadd -f --system xlb-admin)
	$(if $(DESTDIR),,[ ! -d /run/systemd/system ] || systemctl daemon-reload)

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/xlbd $(DESTDIR)$(BINDIR)/xlbctl $(foreach unit,$(UNITS),$(call unit_path,$(unit)))
	rm -f $(foreach page,$(MAN),$(call man_path,$(page))) $(DESTDIR)$(COMPLETIONDIR)/xlbctl
	$(if $(DESTDIR),,[ ! -d /run/systemd/system ] || systemctl daemon-reload)

clean:
	rm -rf build compile_commands.json

-include $(shell [ ! -d $(BUILD) ] || find $(BUILD) -name '*.d')
