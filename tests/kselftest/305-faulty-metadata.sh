#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# Devices that fail where the store's metadata is: each kind of block that a
# checkpoint writes, and its flush; bitmaps, trees and the journal, while they are
# read and while they are written; in a merge and in a removal in the background.
# Whatever cannot be written makes the store "failed", with an event, and reads go
# on; what cannot be read is an error of who asks. On disk there is a complete
# state all the time; when the device has healed and the store is activated again,
# everything that was acknowledged by a flush is there.
. "$(dirname "$0")/lib.sh"
needs od
. "$(dirname "$0")/faults.sh"

# --- set up: a, b and c, with extents of their own in several leaves -----------------

REGION=32256	# blocks, in each of which there are two slots for a bitmap
new_gold 8M
disk=$(scratch 0 161M) || exit 1
wipe "$disk"
size=$((160 * 2048)) tail=1
low=$dm/low
must dmsetup create low --table "0 $((size + tail)) linear $disk 0"
must "$SOSNAP" store create "$low" --name st --journal 1M
must dmsetup create gold --readonly --table "0 $gold_sectors linear $gold 0"
plain_gold=$gold gold=$dm/gold
store_up
gold_add
for name in a b c; do
	snap_new "$name" > /dev/null
	snap_up "$name"
	must "$BLK" each "$dm/st-$name" 0 8 16 800 1 flush
done
must message checkpoint

# Every block from 0 on, each second, is a's; from this sector on there is room.
spot=$((800 * 16)) round=0

root_of() # of the extent tree; the store is not active
{
	"$SOSNAP" store dump "$low" | awk '$1 == "extent" { print $2 }'
}

# Something new, something gone, both acknowledged; not in the trees.
change()
{
	round=$((round + 1))
	spot=$((spot + 64))
	must "$BLK" discard $dm/st-a $((round * 16)) 8
	must "$BLK" write $dm/st-a $spot 64 $((100 + round)) dsync
}

# changed TEXT: it is there
changed()
{
	ok "$1: what was written is there" "$BLK" check $dm/st-a $spot 64 $((100 + round))
	ok "$1: what was discarded is gone" "$BLK" check $dm/st-a $((round * 16)) 8 zero
	ok "$1: the rest is what it was" "$BLK" check $dm/st-a $((799 * 16)) 8 1
}

# come_back TEXT: the device has healed
come_back()
{
	ok "$1: the state on disk is whole" whole
	store_up
	snap_up a
	changed "$1"
}

# --- what a checkpoint writes --------------------------------------------------------

# checkpoint_fails TEXT REASON FAULT...: REASON is said when it is activated again
checkpoint_fails()
{
	local text=$1 reason=$2 before

	shift 2
	before=$(events)
	change
	"$@"
	not_ok "$text: the checkpoint fails" message checkpoint
	has_failed "$text" "$before" a 0 8 1
	store_down
	cannot_activate "$text" "$reason"
}

renew a
text="superblock one cannot be written"
checkpoint_fails "$text" "superblock cannot be written" fail_blocks 0 1
ok "$text: the kernel log names device and block" log_has "write of block 0 of"
refused "$text: nor can it be read without the journal's commits" "store was not closed" \
	dmsetup create st --table "0 $size sosnap-store $low 1 read_only"
heal
come_back "$text"

text="superblock two cannot be written"
checkpoint_fails "$text" "superblock cannot be written" fail_blocks 256 1
ok "$text: the kernel log names device and block" log_has "write of block 256 of"
store_up read_only
snap_up a
changed "$text, read-only"
store_down
heal
come_back "$text"

text="bitmaps cannot be written"
checkpoint_fails "$text" "" fail_blocks 2 2
heal
come_back "$text"
text="summaries cannot be written"
checkpoint_fails "$text" "" fail_blocks 4 2
heal
# Nodes go to the first places that are free, between the data: 48 that have none.
read -ra nodes <<< "$("$SOSNAP" --json store dump "$low" | awk -F '[:,}]' '
	/"object":.*"store": [0-9]/ { for (i = 0; i < $6; i++) data[$8 + i] = 1 }
	END {
		for (at = 6; n < 48; at++) {
			if (at in data || (at >= 256 && at < 513))
				continue
			printf "%d 1 ", at
			n++
		}
	}')"
come_back "$text"
text="tree nodes cannot be written"
checkpoint_fails "$text" "" fail_blocks "${nodes[@]}"
heal
come_back "$text"
text="flushes fail"
checkpoint_fails "$text" "" fail_flushes
heal
come_back "$text"

# at the end of a store
change
fail_writes
store_down
heal
come_back "deactivation while writes fail"

# what nobody waits for: the timer's commit
before=$(events)
fail_blocks 257 256
must "$BLK" write $dm/st-a 800 8 9
must "$BLK" write $dm/st-a 808 8 9
has_failed "a commit that nobody waits for" "$before" a 0 8 1
store_down
heal
store_up
snap_up a
ok "... may be lost" old_or_new a 101 1 9
changed "... and nothing else"

# --- bitmaps that cannot be read -----------------------------------------------------

snap_down a
store_down
fail_blocks 2 2
store_up
snap_up a
ok "without the bitmap of a region: it is written to another one" \
	"$BLK" write $dm/st-a 14400 8 21 dsync
ok "without the bitmap of a region: overwritten" "$BLK" write $dm/st-a 0 8 1 dsync
same "without the bitmap of a region: the store has not failed" rw "$(store_field 1)"
before=$(events)
change
not_ok "without the bitmap of a region: nothing in it can be freed" message checkpoint
has_failed "a bitmap that cannot be read" "$before" a 0 8 1
store_down
cannot_activate "a bitmap that cannot be read, and something to free there"
heal
come_back "a bitmap that cannot be read"
ok "what was written then is there" "$BLK" check $dm/st-a 14400 8 21

snap_down a
store_down
fail_blocks 2 2 $((REGION + 2)) 2
store_up
snap_up a
same "without any bitmap: a first write is an error" EIO \
	"$("$BLK" errno write $dm/st-a 14416 8)"
ok "without any bitmap: an overwrite is none" "$BLK" write $dm/st-a 0 8 1 dsync
same "without any bitmap: the store has not failed" rw "$(store_field 1)"
heal
ok "it is written when they can be read" "$BLK" write $dm/st-a 14416 8 22 dsync
ok "and read" "$BLK" check $dm/st-a 14416 8 22

# --- a leaf that cannot be read ------------------------------------------------------

# The first leaf that is an object's alone, by what the root says: items of 28
# bytes from 64 on, their number at 56.
leaf_of() # OBJECT
{
	dd if="$disk" bs=4096 skip="$(root_of)" count=1 iflag=direct status=none |
		od -An -v -tu1 -w4096 | awk -v object="$1" '
		function le(at, n,   v) { while (n--) v = v * 256 + $(at + n + 1); return v }
		{
			n = le(56, 4)
			for (i = 0; i + 1 < n; i++)
				if (le(64 + i * 28, 4) == object && le(92 + i * 28, 4) == object) {
					print le(76 + i * 28, 8)
					exit
				}
		}'
}

snap_down a
store_down
leaf=$(leaf_of 2)
[ -n "$leaf" ] || die "no leaf of snapshot b alone"
fail_blocks "$leaf" 1
store_up
snap_up a b
not_ok "what a leaf has that cannot be read is an error" \
	dd if=$dm/st-b of=/dev/null bs=1M iflag=direct status=none
ok "another leaf is read" "$BLK" check $dm/st-b $((799 * 16)) 8 1
same "the snapshot is not fenced: nothing is damaged" rw "$(snap_field b 1)"
change
ok "another snapshot is written, and merged" message checkpoint
same "the store has not failed" rw "$(store_field 1)"
# it is not looked at before the checkpoint: a record for all of it
before=$(events)
ok "all of it is discarded" "$BLK" discard $dm/st-b 0 $((512 * 24))
must message commit
not_ok "which a checkpoint cannot merge" message checkpoint
has_failed "a leaf that cannot be merged into" "$before" a 0 8 1
store_down
cannot_activate "a leaf that cannot be merged into"
heal
come_back "a leaf that cannot be merged into"
snap_up b
ok "nor is the discard lost" "$BLK" check $dm/st-b 0 8 zero
ok "it went as far as it said" "$BLK" check $dm/st-b $((799 * 16)) 8 1

# --- in the background: a removal, a merge -------------------------------------------

snap_down b
must message checkpoint
before=$(events)
fail_blocks "${nodes[@]}"
ok "a snapshot is removed" message remove c
has_failed "a removal that cannot go on" "$before" a 0 8 1
store_down
heal
come_back "a removal that cannot go on"
not_ok "what was removed stays so" message show c
ok "and its space comes back" wait_removed

blocks=$(snap_field a 4)
must dmsetup suspend st-a
must message snapshot a d
must dmsetup resume st-a
must "$BLK" write $dm/st-a 0 8 31 dsync
must message checkpoint
before=$(events)
fail_blocks "${nodes[@]}"
ok "the only other one that reads what a was is removed" message remove d
has_failed "a merge that cannot go on" "$before" a 0 8 31
store_down
heal
come_back "a merge that cannot go on"
ok "and it ends" wait_removed
same "all is a's own again" "$blocks 0" "$(snap_field a 4) $(message show a | cut -d' ' -f12)"
ok "with what it wrote" "$BLK" check $dm/st-a 0 8 31
changed "after the merge"

# --- gold images ---------------------------------------------------------------------

gold_unreadable()
{
	swap gold "$(echo 8000 8 | holes "$gold_sectors" "$plain_gold")"
	must blockdev --flushbufs "$gold"
}

gold_heal()
{
	swap gold "0 $gold_sectors linear $plain_gold 0"
}

# of_io TEXT COMMAND...: it fails, and says that it is the device
of_io()
{
	local said

	not_ok "$@"
	said=$(< "$tmp/ok.out")
	ok "$1: with an I/O error" grep -q "Input/output error" <<< "$said"
}

gold_unreadable
of_io "a gold image that cannot be read is not added" "$SOSNAP" gold add st "$gold" --name h
same "the store knows one" 1 "$(message list gold | wc -l)"
gold_heal
ok "it is added when it can be read" "$SOSNAP" gold add st "$gold" --name h
gold_unreadable
of_io "nor verified, and not called different" "$SOSNAP" gold verify st h "$gold"
gold_heal
ok "it is verified when it can be read" "$SOSNAP" gold verify st h "$gold"
ok "and forgotten" message gold_remove h
before=$(events)
fail_blocks 257 256
refused "gold_add whose commit fails" "not written down" \
	message gold_add h "$gold_sectors" 00000000 -
has_failed "gold_add whose commit fails" "$before" a 0 8 31
store_down
heal
come_back "gold_add whose commit fails"
ok "the store knows it or not" eval \
	"message list gold | grep -q '^h ' || message gold_add h $gold_sectors 00000000 -"
ok "and forgets it" message gold_remove h
finish
