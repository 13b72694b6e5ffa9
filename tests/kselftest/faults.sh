# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # what lib.sh sets
#
# faults.sh - devices that can be made to fail; a case sources it after lib.sh.
#
# Each lies on a dm device whose table is replaced under I/O: linear, with a hole
# (dm-error), or failing writes (dm-flakey). The store's is "low", of $size sectors
# on $disk; one sector more behind them, if $tail is 1, which no store uses.
modprobe -q dm-flakey
dmsetup targets | grep -q '^flakey ' || skip "this kernel has no dm-flakey"
size=0 tail=0

swap() # NAME TABLE
{
	must dmsetup load "$1" --table "$2"
	must dmsetup resume --noflush --nolockfs "$1"
}

# A table of holes: lines of "FIRST COUNT", in sectors and in order.
holes() # SIZE BELOW
{
	awk -v size="$1" -v below="$2" '
		function sound(to) { if (to > at) print at + 0, to - at, "linear", below, at + 0 }
		{ sound($1); print $1, $2, "error"; at = $1 + $2 }
		END { sound(size) }'
}

heal()
{
	swap low "0 $((size + tail)) linear $disk 0"
}

fail_all()
{
	swap low "0 $((size + tail)) error"
}

fail_writes()
{
	swap low "0 $((size + tail)) flakey $disk 0 0 60 1 error_writes"
}

# These cannot be read or written; the device can be flushed.
fail_blocks() # [FIRST COUNT]..., in blocks of the store and in order
{
	swap low "$(while [ $# != 0 ]; do
		echo $(($1 * 8)) $(($2 * 8))
		shift 2
	done | holes $((size + tail)) "$disk")"
}

# All is well but for the cache of the device.
fail_flushes()
{
	swap low "0 $size linear $disk 0
		$size $tail flakey $disk $size 0 60 1 error_writes"
}

events()
{
	dmsetup info -c --noheadings -o events st | tr -d ' '
}

# Waits for more events than $1, and prints whether there were.
event_since()
{
	local i

	for ((i = 0; i < 50; i++)); do
		[ "$(events)" = "$1" ] || { echo yes; return; }
		sleep 0.1
	done
	echo no
}

# has_failed TEXT EVENTS NAME SECTOR COUNT TAG: the store took offence, and
# snapshot NAME is still read there
has_failed()
{
	same "$1: with an event" yes "$(event_since "$2")"
	same "$1: the store says so" failed "$(store_field 1)"
	ok "$1: reads go on" "$BLK" check "$dm/st-$3" "$4" "$5" "$6"
	same "$1: writes do not" EIO "$("$BLK" errno write "$dm/st-$3" $(($4 + 8)) 8)"
	refused "$1: nor messages" "read-only or has failed" message create x g 8
}

# cannot_activate TEXT [REASON]
cannot_activate()
{
	refused "activation with $1" "${2:-cannot be read or written}" \
		dmsetup create st --table "0 $(sectors_of "$low") sosnap-store $low"
}

# The check finds nothing but what an activation mends: a superblock that is stale.
whole()
{
	store_check || awk '$1 == "damages:" { n = $2 } $1 == "mended" { mended = $4 }
		END { exit !(n && n == mended) }' "$tmp/check.out"
}
