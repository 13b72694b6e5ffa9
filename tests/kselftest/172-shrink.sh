#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Shrinking a store with I/O running: what lies beyond the new end is moved, of
# snapshots that are active, that are not, and of what several of them share. It is
# killed and repeated; what a power cut leaves has the old or the new size, whole.
# Then the device really becomes smaller.
. "$(dirname "$0")/lib.sh"
needs

blocks_of()
{
	echo $(($(to_sectors "$1") / 8))
}

# Until the size is that.
shrink_to()
{
	local want reply i

	want=$(blocks_of "$1")
	for ((i = 0; i < 200; i++)); do
		reply=$(message shrink "$want") || return 1
		[ "$reply" != "$want 0" ] || return 0
	done
	echo "  it has: $reply"
	return 1
}

sums()
{
	local name

	for name; do
		md5sum < "$dm/st-$name"
	done
}

new_gold 16M
new_low 112M
new_store 112M 1M
store_up
gold_add
blocks=$((gold_sectors / 8))

# what is written first is removed again, so that all that follows is at the end
snap_new filler "$(to_sectors 56M)"
snap_up filler
must dd if=/dev/zero of=$dm/st-filler bs=1M count=56 oflag=direct status=none
for name in a c d e; do
	snap_new $name
	snap_up $name
done
must "$BLK" each $dm/st-a 0 8 16 1500 1
must "$BLK" write $dm/st-a $((blocks * 4)) 4096 2
must dmsetup suspend st-a
must message snapshot a b
must dmsetup resume st-a
snap_up b
must "$BLK" each $dm/st-a 0 8 64 200 3
must "$BLK" each $dm/st-b 32 8 64 200 4
must "$BLK" write $dm/st-c 800 6400 5
must "$BLK" each $dm/st-c 0 8 24 900 6
snap_down c filler
must message remove filler
ok "the filler is removed" wait_removed
total=$(blocks_of 112M)
used=$(store_field 4)
sum=$(sums a b)

same "no shrink is under way" "0 0" "$(store_field 17) $(store_field 18)"
same "a size that it has is no work" "$total 0" "$(message shrink "$total")"
refused "a larger one" "the store can have" message shrink $((total + 1))
refused "one without room for the journal" "the store can have" message shrink 2047
refused "one that is too small for what is in use" "beyond the new end are in use" \
	message shrink "$(blocks_of 12M)"
same "nothing is under way then" "0 0" "$(store_field 17) $(store_field 18)"
not_ok "--yes is needed" "$SOSNAP" store shrink st --size 100M
ok "dry" "$SOSNAP" --dry-run store shrink st --size 100M
same "changes nothing" "$total" "$(store_field 5)"

# a power cut at some step, with a writer; it goes on from there
"$BLK" each $dm/st-d 0 8 16 1000 7 flush > "$tmp/d.out" 2>&1 &
writer=$!
image=$(scratch 1 112M)
message shrink "$(blocks_of 80M)" > "$tmp/shrink.out" &
shrinker=$!
sleep 0.3
crash_image "$image"
ok "shrinking goes on beside it" wait "$shrinker"
ok "so does a writer" wait "$writer"
# of a fast machine one message may be enough
if [ "$(store_field 5)" = "$total" ]; then
	same "status shows to what" "$(blocks_of 80M)" "$(store_field 17)"
	echo "  $(store_field 18) blocks are left"
fi
crash_to "$image"
store_up
ok "the cut leaves the old or the new size" \
	test "$(store_field 5)" = "$total" -o "$(store_field 5)" = "$(blocks_of 80M)"
snap_up a b d e
same "and all that was there" "$sum" "$(sums a b)"
ok "old or new" old_or_new d 0 2000 7

# under load, killed half-way
"$MODEL" run $dm/st-e --model "$tmp/e" --gold-sectors "$gold_sectors" --threads 2 --seconds 6 \
	> "$tmp/run.out" 2>&1 &
model=$!
"$BLK" each $dm/st-d 0 8 16 1000 8 flush > "$tmp/d.out" 2>&1 &
writer=$!
"$SOSNAP" --yes store shrink st --size 60M > "$tmp/killed.out" 2>&1 &
tool=$!
sleep 0.4
kill -9 "$tool"
wait "$tool" 2> /dev/null
for ((i = 0; i < 5; i++)); do
	must "$BLK" discard $dm/st-d $((i * 3000 + 16000)) 700
done
echo "  killed, it has $(store_field 5) blocks, $(store_field 18) to be moved"
ok "store shrink, again" "$SOSNAP" --yes store shrink st --size 60M
same "the store has the new size" "$(blocks_of 60M)" "$(store_field 5)"
same "so has its table" "$(to_sectors 60M)" "$(dmsetup table st | cut -d' ' -f2)"
same "and nothing is under way" "0 0" "$(store_field 17) $(store_field 18)"
ok "a second time there is nothing to do" "$SOSNAP" --yes store shrink st --size 60M

# nothing beyond is used: not by what is in memory, nor by what is loaded again
must dd if=/dev/urandom of="$disk" bs=1M seek=60 count=52 oflag=direct conv=notrunc status=none
length 60M
same "on a smaller device, what maps in memory say" "$sum" "$(sums a b)"
must message checkpoint
must message drop_maps
same "and what is loaded" "$sum" "$(sums a b)"
ok "the writer ends" wait "$writer"
ok "with what it wrote" "$BLK" check $dm/st-d 0 8 8
ok "the load ends" wait "$model"
cat "$tmp/run.out"
ok "and nothing is lost" "$MODEL" verify $dm/st-e --model "$tmp/e"
snap_up c
ok "an inactive one has what it had" "$BLK" check $dm/st-c 7208 8 gold
store_down
ok "it is clean at the new size" store_check
store_up
snap_up a b c d e
same "and is as it was when it is activated again" "$sum" "$(sums a b)"
ok "nothing is lost then" "$MODEL" verify $dm/st-e --model "$tmp/e"

# guests come first: what they need beyond the end they get, and the shrink is off
must message shrink "$(blocks_of 59M)" > "$tmp/shrink.out"
length 80M
same "it can grow again" "$(blocks_of 80M)" "$(message grow)"
same "which ends a shrink" 0 "$(store_field 17)"
must "$BLK" each $dm/st-c 0 8 8 "$blocks" 9
ok "and be used" "$BLK" check $dm/st-c 0 "$gold_sectors" 9
ok "shrink by messages" shrink_to 72M
ok "with what was written" "$BLK" check $dm/st-c 0 "$gold_sectors" 9
must message checkpoint
must message drop_maps
ok "and loaded again" "$BLK" check $dm/st-c 0 "$gold_sectors" 9
echo "  of $used blocks in use at first"
finish
