#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# Sizes at the limits of their types, in table lines and messages, overflow
# nothing: refused, or exact.
. "$(dirname "$0")/lib.sh"
needs

setup 4M 32M
most=$((1 << 51))	# sectors of the largest snapshot: 2^48 blocks

table()
{
	dmsetup create st-x --table "$1"
}

# --- snapshots -------------------------------------------------------------------

for sectors in 18446744073709551615 18446744073709551616 18446744073709551608 9223372036854775808 \
	9223372036854775807 -1 $((most + 8)) $((most + 1)); do
	not_ok "no snapshot of $sectors sectors" message create x g "$sectors"
	not_ok "no gold image of $sectors sectors" message gold_add h "$sectors" 00000000 -
done
ok "one of 2^32 blocks" message create big32 g $((1 << 35))
ok "one of a sector more" message create big33 g $(((1 << 35) + 1))
ok "one of 2^32 - 1 sectors" message create odd g $(((1 << 32) - 1))
for name in big32 big33 odd; do
	sectors=$(snap_line "$name" | cut -d' ' -f3)
	snap_up "$name"
	same "$name has its size" "$sectors" "$(sectors_of "$dm/st-$name")"
	last=$(((sectors - 1) / 8 * 8))
	count=$((sectors - last))
	ok "$name: its last block is written" "$BLK" write "$dm/st-$name" $last $count 5 dsync
	ok "$name: and read" "$BLK" check "$dm/st-$name" $last $count 5
	ok "$name: behind the gold image are zeros" "$BLK" check "$dm/st-$name" $((last - 64)) 64 zero
	ok "$name: its first block is gold" "$BLK" check "$dm/st-$name" 0 8 gold
	same "$name owns one block" 1 "$(message checkpoint; snap_field "$name" 4)"
	ok "$name: discarded as a whole" blkdiscard "$dm/st-$name"
	ok "$name: the last block reads as zeros" "$BLK" check "$dm/st-$name" $last $count zero
	snap_down "$name"
done

# --- table lines -----------------------------------------------------------------

for length in $(((1 << 62) + 8)) 9223372036854775800 18446744073709551608 4294967295 1; do
	not_ok "no snapshot device of $length sectors" table "0 $length sosnap $dm/st 1 $gold"
	not_ok "no store of $length sectors" table "0 $length sosnap-store $low"
done

# --- stores on devices without content -----------------------------------------------

store_down
must dmsetup create huge --table "0 $((1 << 53)) zero"
not_ok "a device that forgets is no store" \
	dmsetup create st-x --table "0 $((1 << 53)) sosnap-store $dm/huge"
# of 248 TiB and more, by a file in memory that is nearly all hole
hole=$(new_loop 300T)
ok "a store of the largest size is made" "$SOSNAP" store create "$hole" --name large
ok "and activated" dmsetup create st --table "0 $(sectors_of "$hole") sosnap-store $hole"
same "with all blocks there are" $((8192 * 252 * 32256)) "$(store_field 5)"
gold_add
snap_new far
snap_up far
ok "and a snapshot of it written" "$BLK" write $dm/st-far 8 8 4 dsync
ok "and read" "$BLK" check $dm/st-far 8 8 4
must message checkpoint
snap_down far
must dmsetup remove st
must dmsetup remove huge
finish
