#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# The machine is reset while eight threads write; a second boot replays the
# journal, and what it reads is compared, sector by sector, with what may be
# there; then the model goes on and the machine is reset once more.
set -uo pipefail

top=${SOSNAP_TOP:-$(cd "$(dirname "$0")/../.." && pwd -P)}
tmp=${SOSNAP_TMP:-$(mktemp -d)}
logs=${SOSNAP_LOGS:-$tmp}
kernel=${VM_KERNEL:-6.12}
make -s -C "$top/tests" programs

mkdir -p "$tmp/out"
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
		--log "$logs/reset-$step.log" "$@" -- "$top/tests/vm/reset-in-vm" "$step"
}

failed=0
result()
{
	if [ "$1" = 0 ]; then
		echo "ok $2"
	else
		echo "not ok $2 (vm: $1)"
		failed=1
	fi
}

rm -f "$tmp/out/running"
boot first --allow-reset
result $? "reset under load"
[ -e "$tmp/out/running" ] || { echo "not ok it was not reset under load"; failed=1; }
rm -f "$tmp/out/running"
boot second --allow-reset
result $? "replayed, compared, reset again"
[ -e "$tmp/out/running" ] || { echo "not ok it was not reset under load"; failed=1; }
boot last
result $? "replayed, compared, closed"
exit "$failed"
