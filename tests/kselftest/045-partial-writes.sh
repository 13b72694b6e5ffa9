#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# First writes of a part of a block, whose base has to be read first.  The gold
# image is held still while others meet the block: none of them is lost, nobody
# sees a mixture, a power cut leaves the old block.  A base or a store that cannot
# be read or written fails that write only, and costs no space.
. "$(dirname "$0")/lib.sh"
needs

new_gold 16M
loop=$gold
gold=$dm/gold
bad=12800	# first sector of a block that can be made unreadable

# gold_table good|bad
gold_table()
{
	if [ "$1" = good ]; then
		echo "0 $gold_sectors linear $loop 0"
	else
		echo "0 $bad linear $loop 0"
		echo "$bad 8 error"
		echo "$((bad + 8)) $((gold_sectors - bad - 8)) linear $loop $((bad + 8))"
	fi
}

gold_is()
{
	must dmsetup load --readonly gold <<< "$(gold_table "$1")"
	must dmsetup suspend --nolockfs gold
	must dmsetup resume gold
}

hold() { must dmsetup suspend --noflush --nolockfs gold; }
release() { must dmsetup resume gold; }

waiting=()

# A request to a, in the background; what its base lies on holds it up.
later()
{
	"$BLK" "$@" > "$tmp/later.$BASHPID" 2>&1 &
	waiting+=($!)
	under_way a "${#waiting[@]}" || verdict 1 "it is held up: $*"
}

# All of them have ended well.
ended()
{
	local pid rc=0

	for pid in "${waiting[@]}"; do
		wait "$pid" || rc=1
	done
	[ "$rc" = 0 ] || cat "$tmp"/later.*
	waiting=()
	return "$rc"
}

must dmsetup create gold --readonly <<< "$(gold_table good)"
new_store 64M
store_up
gold_add
snap_new a
snap_up a
image=$(scratch 1 64M)

# --- the base is held up ---------------------------------------------------------

hold
later write $dm/st-a 801 2 1
later write $dm/st-a 806 1 2
later write $dm/st-a 807 1 3 dsync
later write $dm/st-a 800 1 4
ok "writes wait for the gold image" kill -0 "${waiting[@]}"
release
ok "parts of one block, one after the other: all end" ended
ok "the first" "$BLK" check $dm/st-a 801 2 1
ok "the second" "$BLK" check $dm/st-a 806 1 2
ok "the third, durable" "$BLK" check $dm/st-a 807 1 3
ok "the fourth" "$BLK" check $dm/st-a 800 1 4
ok "and gold between them" "$BLK" check $dm/st-a 803 3 gold

hold
later write $dm/st-a 1601 1 1
later write $dm/st-a 1600 8 2
later write $dm/st-a 1616 1 1
later discard $dm/st-a 1616 8
release
ok "a part, then the whole block: both end" ended
ok "the whole one is not undone in front" "$BLK" check $dm/st-a 1600 1 2
ok "nor behind" "$BLK" check $dm/st-a 1602 6 2
ok "a discarded block is not undone" "$BLK" check $dm/st-a 1617 7 zero

# the workers that wait for the block do not keep it from being written
must cp "$BLK" "$tmp/blk"	# not 72 times at once from where a machine shares it
hold
for ((i = 0; i < 72; i++)); do
	"$tmp/blk" write $dm/st-a $((9601 + i % 7)) 1 9 > "$tmp/later.$i" 2>&1 &
	waiting+=($!)
done
under_way a 72 || verdict 1 "all of them are held up"
release
ok "more writers of one block than there are workers: all end" ended
ok "with gold before them" "$BLK" check $dm/st-a 9600 1 gold
ok "and all there" "$BLK" check $dm/st-a 9601 7 9

# a part of zeros needs no base
must "$BLK" discard $dm/st-a 2400 64
hold
ok "a part of a block of zeros waits for nobody" timeout 20 "$BLK" write $dm/st-a 2403 2 1
ok "nor does one behind that" timeout 20 "$BLK" write $dm/st-a 2403 10 2
release
ok "zeros before it" "$BLK" check $dm/st-a 2400 3 zero
ok "what was written" "$BLK" check $dm/st-a 2403 10 2
ok "zeros behind it" "$BLK" check $dm/st-a 2413 51 zero

# the window stays, and nothing is durable before the block is whole
hold
later write $dm/st-a 4003 3 1
must message checkpoint
must message drop_maps
dmsetup suspend st-a &
suspend=$!
sleep 0.5
ok "a suspend waits for it" kill -0 "$suspend"
crash_image "$image"
release
ok "it ends" ended
ok "then the suspend does" wait "$suspend"
must dmsetup resume st-a
ok "what was written" "$BLK" check $dm/st-a 4003 3 1
ok "gold before it" "$BLK" check $dm/st-a 4000 3 gold
ok "gold behind it" "$BLK" check $dm/st-a 4006 26 gold

# --- errors ----------------------------------------------------------------------

owned=$(snap_field a 4)
gold_is bad
for ((i = 0; i < 100; i++)); do
	"$BLK" errno write $dm/st-a $((bad + 1 + i % 6)) 1
done > "$tmp/errors"
same "100 writes whose base cannot be read fail" 100 "$(grep -c '^EIO$' "$tmp/errors")"
same "one across its end fails" EIO "$("$BLK" errno write $dm/st-a $((bad + 6)) 4)"
ok "the block beside it is written" "$BLK" write $dm/st-a $((bad - 3)) 2 7
ok "a whole one needs no base" "$BLK" write $dm/st-a $((bad + 8)) 8 7
gold_is good
same "they own nothing" $((owned + 2)) "$(snap_field a 4)"
ok "the block is as it was" "$BLK" check $dm/st-a "$bad" 8 gold
ok "and can be written" "$BLK" write $dm/st-a $((bad + 3)) 1 8 dsync
ok "in part" "$BLK" check $dm/st-a $((bad + 4)) 4 gold
must "$BLK" each $dm/st-a $((bad + 8)) 8 8 63 9 flush
before=$(ops_of "$disk")
must dd if=$dm/st-a of=/dev/null bs=256K iflag=direct skip=$((bad / 512)) count=1
same "at its place among its neighbours: one read of the store" "1 512" \
	"$(ops_diff "$before" "$(ops_of "$disk")" | cut -d' ' -f1,2)"

# what is written fails: neither is any record of it
renew a
must "$BLK" check $dm/st-a 6400 8 gold	# its window is in memory
must dmsetup suspend low
must dmsetup load low --table "0 $(sectors_of "$low") error"
must dmsetup resume low
same "a write whose new block cannot be written fails" EIO \
	"$("$BLK" errno write $dm/st-a 6401 1)"
must dmsetup suspend low
must dmsetup load low --table "0 $(sectors_of "$low") linear $disk 0"
must dmsetup resume low
ok "the block is as it was" "$BLK" check $dm/st-a 6400 8 gold
ok "and can be written" "$BLK" write $dm/st-a 6401 1 9 dsync

# --- races, with a worker and without one ------------------------------------------

ok "parts, whole blocks and discards of a block at once" "$BLK" race partial $dm/st-a 2048 40
dd if=/dev/zero of="$tmp/zero" bs=1M count=8 status=none
must dmsetup create zero --readonly --table "0 16384 zero"
must message gold_add z 16384 "$("$BLK" sample-crc "$tmp/zero")" -
snap_new z 16384 z
must dmsetup create st-z --table "$(snap_gold=$dm/zero snap_table z)"
ok "a base that is read at once" "$BLK" each $dm/st-z 3 2 512 30 1 flush
ok "has zeros before it" "$BLK" check $dm/st-z 0 3 zero
ok "and behind it" "$BLK" check $dm/st-z 5 510 zero
ok "around the last one" "$BLK" check $dm/st-z $((29 * 512 + 5)) 507 zero
ok "which is there" "$BLK" check $dm/st-z $((29 * 512 + 3)) 2 1
(for ((i = 0; i < 20; i++)); do "$BLK" write $dm/st-z $((8192 + i * 8)) 3 1; done) &
one=$!
for ((i = 0; i < 20; i++)); do "$BLK" write $dm/st-z $((8197 + i * 8)) 2 2; done
wait "$one"
same "two writers of each block" OK "$(for ((i = 0; i < 20; i++)); do
	"$BLK" check $dm/st-z $((8192 + i * 8)) 3 1 && "$BLK" check $dm/st-z $((8197 + i * 8)) 2 2 ||
		echo "block $i"
done 2>&1 && echo OK)"

# --- a base in the store -----------------------------------------------------------

must "$BLK" write $dm/st-a 16384 256 3
must message checkpoint
must dmsetup suspend st-a
must message snapshot a b
must dmsetup resume st-a
must message drop_maps
ok "a part of an inherited block" "$BLK" write $dm/st-a 16384 1 4
must dmsetup suspend --noflush --nolockfs low
later write $dm/st-a 16395 2 5
later write $dm/st-a 16398 1 6
later write $dm/st-a 16403 9 7
ok "parts of others wait for the store" kill -0 "${waiting[@]}"
must dmsetup resume low
ok "they end" ended
ok "before the first: inherited" "$BLK" check $dm/st-a 16385 10 3
ok "the first" "$BLK" check $dm/st-a 16395 2 5
ok "between them: inherited" "$BLK" check $dm/st-a 16397 1 3
ok "another part of that block" "$BLK" check $dm/st-a 16398 1 6
ok "between blocks: inherited" "$BLK" check $dm/st-a 16399 4 3
ok "one across two blocks" "$BLK" check $dm/st-a 16403 9 7
ok "behind it: inherited" "$BLK" check $dm/st-a 16412 228 3
snap_up b
ok "the other heir has none of it" "$BLK" check $dm/st-b 16384 256 3
snap_down b

# --- after all -------------------------------------------------------------------

sum=$(md5sum < $dm/st-a)
store_down
store_up
snap_up a
same "the same after activation" "$sum" "$(md5sum < $dm/st-a)"
store_down
ok "the store is clean" store_check
crash_to "$image"
store_up
snap_up a
ok "a power cut while the base was read leaves the old block" "$BLK" check $dm/st-a 4000 8 gold
ok "and what was durable before" "$BLK" check $dm/st-a 807 1 3
finish
