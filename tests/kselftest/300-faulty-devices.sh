#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# Devices that fail: an error of the gold image fails that read alone; an error of
# the store's data fails that request alone, and its block stays what it was; a
# commit that cannot be written makes the store "failed", with an event, and reads
# go on. When the device has healed and the store is activated again, nothing that
# a flush acknowledged is lost, and no block has leaked.
#
# Where metadata is concerned: 305.
. "$(dirname "$0")/lib.sh"
needs
. "$(dirname "$0")/faults.sh"

idle()
{
	must message checkpoint
	settle
}

# --- set up: a has blocks of its own, some in the trees -------------------------

new_gold 8M
size=$((48 * 2048))
new_store 48M 1M
must dmsetup create gold --readonly --table "0 $gold_sectors linear $gold 0"
plain_gold=$gold gold=$dm/gold
store_up
gold_add
for name in a b c; do
	snap_new "$name" > /dev/null
done

gold_hole() # FIRST COUNT
{
	swap gold "$(echo "$1 $2" | holes "$gold_sectors" "$plain_gold")"
}

gold_heal()
{
	swap gold "0 $gold_sectors linear $plain_gold 0"
}

# --- the gold image ----------------------------------------------------------------

gold_hole 0 8
refused "activation with a gold image that cannot be read" "gold device cannot be read" \
	dmsetup create st-a --table "$(snap_table a)"
gold_heal
snap_up a b
must "$BLK" write $dm/st-a 800 512 1 dsync
must "$BLK" each $dm/st-b 0 8 16 500 2 flush
must message checkpoint
gold_hole 8000 8
same "a read of what cannot be read" EIO "$("$BLK" errno read $dm/st-a 8000 8)"
same "in a longer read" EIO "$("$BLK" errno read $dm/st-a 7936 128)"
ok "what is before it is read" "$BLK" check $dm/st-a 7936 64 gold
ok "and behind it" "$BLK" check $dm/st-a 8008 64 gold
same "a write of part of such a block" EIO "$("$BLK" errno write $dm/st-a 8003 1)"
ok "a write of a part of another one" "$BLK" write $dm/st-a 8011 1 3
ok "a write of all of such a block" "$BLK" write $dm/st-b 8000 8 3
gold_heal
ok "the first is as it was" "$BLK" check $dm/st-a 8000 8 gold
ok "and is written now" "$BLK" write $dm/st-a 8003 1 4
ok "with gold before it" "$BLK" check $dm/st-a 8000 3 gold
ok "and behind" "$BLK" check $dm/st-a 8004 4 gold
same "the store has not suffered" rw "$(store_field 1)"

# --- the data of the store ---------------------------------------------------------

renew a b
must "$BLK" write $dm/st-a 12032 8 5	# its window has a place now
must "$BLK" write $dm/st-a 1601 1 5
idle
free=$(stat_of free_blocks)
fail_writes
for at in 12040 12048 12056 12288; do
	same "a first write that fails ($at)" EIO "$("$BLK" errno write $dm/st-a $at 8)"
done
same "of part of a block" EIO "$("$BLK" errno write $dm/st-a 12067 1)"
same "of many blocks" EIO "$("$BLK" errno write $dm/st-a 12096 96)"
same "an overwrite" EIO "$("$BLK" errno write $dm/st-a 800 8)"
ok "reads go on" "$BLK" check $dm/st-a 808 504 1
same "a write that fails is no failure of the store" rw "$(store_field 1)"
heal
ok "blocks whose first write failed are as they were" "$BLK" check $dm/st-a 12040 256 gold
ok "their neighbours, too" "$BLK" check $dm/st-a 12032 8 5
ok "they are written now" "$BLK" write $dm/st-a 12040 152 6
must message commit
must message drop_maps
ok "and are what was written" "$BLK" check $dm/st-a 12040 152 6
idle
# 19 blocks, the window of 12288 that got 64 places, trees that were copied
at_most "no space has leaked" 128 $((free - $(stat_of free_blocks)))

# a read of its own: where the block lies is not known, so all of the store fails
renew a b
must "$BLK" check $dm/st-a 800 8 1	# their windows are in memory
must "$BLK" check $dm/st-b 0 8 2
fail_all
same "a read of an own block" EIO "$("$BLK" errno read $dm/st-a 800 8)"
same "of another one" EIO "$("$BLK" errno read $dm/st-b 0 8)"
ok "gold is read" "$BLK" check $dm/st-b 8 8 gold
same "a write of part of an own block" EIO "$("$BLK" errno write $dm/st-a 801 1)"
heal
ok "nothing has changed" "$BLK" check $dm/st-a 800 512 1

# trees: what is in the cache is gone with the next activation
store_down
store_up
snap_up a
fail_all
same "a map that cannot be loaded" EIO "$("$BLK" errno read $dm/st-a 800 8)"
same "nor for a write" EIO "$("$BLK" errno write $dm/st-a 800 8)"
heal
ok "is loaded when it can be" "$BLK" check $dm/st-a 800 512 1
same "its snapshot is not fenced" rw "$(snap_field a 1)"
same "nor has the store failed" rw "$(store_field 1)"

# --- activation --------------------------------------------------------------------

store_down
fail_all
cannot_activate "a device that fails"
for blk in 0 256; do
	fail_blocks $blk 1
	cannot_activate "a superblock that cannot be written ($blk)" \
		"superblock cannot be written: copy the store to a sound device"
	ok "... the kernel log names block and device" log_has "write of block $blk of"
	store_up read_only
	same "one that cannot be read is as good as lost ($blk)" ro "$(store_field 1)"
	store_down
done
for what in "257 256 the journal" "2 2 bitmaps" "4 2 summaries"; do
	read -r first count text <<< "$what"
	fail_blocks "$first" "$count"
	if dmsetup create st --table "0 $size sosnap-store $low" > /dev/null 2>&1; then
		echo "# activated without $text"
		store_down
	fi
done
heal
ok "the store is clean after all that" store_check

# --- commits -----------------------------------------------------------------------

# Each failure meets first writes: 64 blocks that nobody has written yet.
spot=1024
fresh_spot()
{
	spot=$((spot + 512))
}

# up_again TEXT: the device has healed; what was durable is there
up_again()
{
	ok "$1: the state on disk is whole" store_check
	store_up
	snap_up a b
	ok "$1: what was durable is there" "$BLK" check $dm/st-a 800 512 1
	ok "$1: of the other snapshot, too" "$BLK" check $dm/st-b 480 8 2
	ok "$1: what failed is old or new" old_or_new a $((spot / 8)) 64 7
	ok "$1: the store is used again" "$BLK" write $dm/st-a 9600 8 8 dsync
}

# after_failure TEXT: let go of it while the device still fails, and come back
after_failure()
{
	store_down
	heal
	up_again "$1"
}

store_up
snap_up a b
before=$(events)
fresh_spot
# the journal first: a timer would have the write committed meanwhile
fail_blocks 257 256
must "$BLK" write $dm/st-a $spot 512 7
fail_writes
same "a flush that cannot be written" EIO "$("$BLK" errno flush $dm/st-a 0 0)"
has_failed "failed flush" "$before" b 0 8 2
store_down
# what is in the journal has to be merged, and cannot
ok "failed flush: with writes failing" eval \
	"dmsetup create st --table '0 $size sosnap-store $low' && dmsetup remove st || :"
heal
up_again "failed flush"

before=$(events)
fresh_spot
fail_blocks 257 256
# in one window: of a longer one the part before the error may count as written
not_ok "a FUA write whose commit fails" "$BLK" write $dm/st-a $spot 64 7 dsync
said=$(< "$tmp/ok.out")
ok "with an I/O error" grep -q "Input/output error" <<< "$said"
has_failed "failed FUA write" "$before" b 0 8 2
after_failure "failed FUA write"

before=$(events)
fail_blocks 257 256
refused "a message whose commit fails" "not written down" message create y g 8
has_failed "failed message" "$before" b 0 8 2
after_failure "failed message"
ok "failed message: the store knows the name or not" eval "message show y || message create y g 8"
must message remove y
finish
