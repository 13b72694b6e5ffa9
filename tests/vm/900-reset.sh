#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# The machine is reset while eight threads write; the next boot replays the
# journal, and what it reads is compared, sector by sector, with what may be
# there; then the model goes on and the machine is reset once more.
#
# SOSNAP_RESETS=N  so many resets (2)
set -uo pipefail

top=${SOSNAP_TOP:-$(cd "$(dirname "$0")/../.." && pwd -P)}
tmp=${SOSNAP_TMP:-$(mktemp -d)}
[ -n "${SOSNAP_TMP:-}" ] || trap 'rm -rf "$tmp"' EXIT
logs=${SOSNAP_LOGS:-$tmp}
kernel=${VM_KERNEL:-6.12}
resets=${SOSNAP_RESETS:-2}
make -s -C "$top/tests" programs

mkdir -p "$tmp/out" "$logs"
truncate -s 128M "$tmp/store"
truncate -s 1M "$tmp/log"
truncate -s 16M "$tmp/gold"
"$top/build/tests/model" gold "$tmp/gold"

boot()
{
	local step=$1

	shift
	"$top/scripts/vm" --kernel "$kernel" --disk "$tmp/store" --disk "$tmp/log" \
		--disk "$tmp/gold,bus=virtio,ro" --out "$tmp/out" --timeout 280 \
		--log "$logs/reset-$step.log" "$@" -- "$top/tests/vm/reset-in-vm" "$step" \
		> "$tmp/said" 2>&1
}

n=0 failed=0
result()
{
	local verdict=ok

	n=$((n + 1))
	[ "$1" = 0 ] || { verdict='not ok' failed=$((failed + 1)); sed 's/^/# /' "$tmp/said"; }
	echo "$verdict $n $2"
	return "$1"
}

# The first boot makes the store; each that follows judges what the reset left.
echo "1..$((2 * resets + 1))"
step=first
for ((reset = 1; reset <= resets; reset++)); do
	rm -f "$tmp/out/running"
	boot "$step" --allow-reset
	result $? "boot $reset: $([ "$step" = first ] || echo 'as it may be; ')writing until the reset"
	[ -e "$tmp/out/running" ]
	result $? "it was reset under load" || break
	step=again
done
boot last
result $? "as it may be after $((reset - 1)) resets; closed, and clean"
exit $((failed > 0))
