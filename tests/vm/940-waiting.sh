#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Creating and activating snapshots takes at most 1.5 times what as many dm-linear
# devices take, by the same library and without udev; they are listed in one
# pass. Instructions are counted, so the figures do not depend on the machine;
# one kernel is enough.
#
# WAITING_SNAPSHOTS=N  so many (200); see performance.md for 1,000
# timeout: 600
set -uo pipefail

top=${SOSNAP_TOP:-$(cd "$(dirname "$0")/../.." && pwd -P)}
build=${SOSNAP_BUILD:-$top/build}
tmp=${SOSNAP_TMP:-$(mktemp -d)}
[ -n "${SOSNAP_TMP:-}" ] || trap 'rm -rf "$tmp"' EXIT
kernel=${VM_KERNEL:-6.1}
nr=${WAITING_SNAPSHOTS:-200}

case $kernel in
6.1 | 6.1.*) ;;
*) exit 4 ;;
esac
for module in "$build/$kernel"{,.*}/dm-sosnap.ko; do
	[ ! -e "$module" ] || release=$(basename "$(dirname "$module")")
done
"$top/scripts/vm" --kernel "${release:?}" --icount --cpus 1 --mem 3000 --timeout 550 -- \
	"$top/tests/bench/waiting-in-vm" "$build/$release/dm-sosnap.ko" "$build/sosnap" "$nr" \
	> "$tmp/figures" || { cat "$tmp/figures"; exit 1; }

# list: one pass over the snapshots, in messages whose answers fit into the
# library's buffer of 16 KiB.
awk -v nr="$nr" '
	{ v[$1] = $2 }
	END {
		if (!v["linear"] || !v["activate"] || !v["list-calls-empty"])
			exit 1
		ratio = (v["create"] + v["activate"]) / v["linear"]
		printf "%d devices, in millions of instructions: dm-linear %d, snapshots %d to create and %d to activate, ratio %.2f (at most 1.5)\n",
			nr, v["linear"] / 1000, v["create"] / 1000, v["activate"] / 1000, ratio
		parts = int(nr * 160 / 16000) + 1
		printf "list of them: %d calls, %d for none (at most %d more)\n",
			v["list-calls"], v["list-calls-empty"], parts
		exit !(ratio <= 1.5 && v["list-calls"] <= v["list-calls-empty"] + parts)
	}' "$tmp/figures"
