#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# A full store: first writes wait or fail with no-space, by policy; reads,
# overwrites, discards and removals go on; space that comes back is used; and
# nothing that was written is lost.
. "$(dirname "$0")/lib.sh"
needs

new_gold 32M
new_store 24M 1M
store_up error_if_no_space
gold_add
snap_new old
snap_up old
must "$BLK" each $dm/st-old 0 512 512 4 9 flush
snap_down old
snap_new a
snap_up a

# fill NAME BLOCKS TAG: from the first block on, until not even a checkpoint makes room,
# which may come by itself at any moment; prints how many have found some
fill()
{
	local at=0 more=1

	while [ "$more" != 0 ]; do
		must message checkpoint
		more=$("$BLK" each "$dm/st-$1" $((at * 8)) 8 8 $(($2 - at)) "$3" until-full) || return 1
		at=$((at + more))
	done
	echo $at
}
written=$(fill a $((gold_sectors / 8)) 1) || die "filling failed: $written"
at_least "most of the store can be filled" 3000 "$written"
same "then first writes fail with no-space" ENOSPC "$("$BLK" errno write $dm/st-a 65000 8)"
same "in part, too" ENOSPC "$("$BLK" errno write $dm/st-a 64001 1)"
same "the store says so" full "$(store_field 1)"
ok "what was written is there" "$BLK" check $dm/st-a 0 $((written * 8)) 1
ok "what failed is gold" "$BLK" check $dm/st-a 64000 1500 gold
ok "overwrites go on" "$BLK" write $dm/st-a 800 64 2
ok "of one sector, too" "$BLK" write $dm/st-a 1603 1 2
ok "flushes, too" "$BLK" flush $dm/st-a
ok "and commits" message commit
ok "and checkpoints" message checkpoint
# all records are merged already: there is not a block for the catalogue
must "$BLK" discard $dm/st-a $(((written - 8) * 8)) 64
must message checkpoint
ok "snapshots can be made" snap_new b
snap_up b
ok "and read" "$BLK" check $dm/st-b 0 "$gold_sectors" gold
# what the catalogue did not need is data's
written_b=$(fill b 2000 3) || die "filling failed: $written_b"
at_most "but hardly written" 1200 "$written_b"
same "and then not at all" ENOSPC "$("$BLK" errno write $dm/st-b 63000 8)"
at_least "the reserve is kept" 1 "$(stat_of free_blocks)"

# space comes back
ok "discards go on" "$BLK" discard $dm/st-a 4096 512
ok "they read as zeros" "$BLK" check $dm/st-a 4096 512 zero
must message checkpoint
ok "and give space back" "$BLK" each $dm/st-b 57344 8 8 40 3 flush
more=$("$BLK" each $dm/st-b 58000 8 8 500 4 until-full)
at_most "but not much more (the reserve varies)" 256 $((more + 40))
ok "a snapshot can be removed" message remove old
wait_removed
ok "that gives space back" "$BLK" each $dm/st-b 24576 8 8 200 5 flush
ok "what is in it is right" "$BLK" check $dm/st-b 24576 1600 5
ok "and what was before" "$BLK" check $dm/st-b 0 $((written_b * 8)) 3
ok "and a's is still a's" "$BLK" check $dm/st-a 0 800 1
sum_a=$(md5sum < $dm/st-a) sum_b=$(md5sum < $dm/st-b)
store_down
ok "the store is clean" store_check

# now they wait
store_up queue_if_no_space no_space_timeout 30
snap_up a b
same "nothing is lost" "$sum_a $sum_b" "$(md5sum < $dm/st-a) $(md5sum < $dm/st-b)"
"$BLK" each $dm/st-b 32768 8 8 2000 4 flush > "$tmp/waiter" 2>&1 &
waiter=$!
for ((i = 0; i < 100; i++)); do
	[ "$(store_field 1)" != full ] || break
	sleep 0.1
done
same "a writer runs into the end" full "$(store_field 1)"
ok "and waits" kill -0 "$waiter"
ok "it keeps nobody from suspending its snapshot" timeout 20 dmsetup suspend --noflush st-b
must dmsetup resume st-b
sleep 0.3
ok "and waits again" kill -0 "$waiter"
ok "others read meanwhile" "$BLK" check $dm/st-a 0 800 1
ok "and overwrite" "$BLK" write $dm/st-a 0 8 1
must "$BLK" discard $dm/st-a 0 16384
ok "it goes on when space comes back" wait "$waiter"
cat "$tmp/waiter"
ok "with what it wrote" "$BLK" check $dm/st-b 32768 16000 4

# waiting ends
store_down
store_up queue_if_no_space no_space_timeout 2
snap_up a b
start=$SECONDS
"$BLK" each $dm/st-b 0 8 8 8000 5 until-full > "$tmp/waiter" 2>&1
same "waiting ends with no-space" 0 $?
at_least "after the time that was set" 1 $((SECONDS - start))
ok "and the store goes on" "$BLK" check $dm/st-a 0 800 zero

# Every write waits for its own time, not for the rest of what an earlier one
# was given: first nothing is left, not even what merged records let go.
store_down
store_up error_if_no_space
snap_up a
at=$(fill a 8000 6) || die "filling failed: $at"
same "the store is full to the last block" 0 "$(left)"
store_down
store_up queue_if_no_space no_space_timeout 6
snap_up a b
must "$BLK" discard $dm/st-b 0 8192
ok "a write waits for a checkpoint that makes room" "$BLK" write $dm/st-a $((at * 8)) 8 6
sleep 3
"$BLK" each $dm/st-a $((at * 8 + 8)) 8 8 $((8000 - at)) 6 until-full > "$tmp/waiter" 2>&1 &
waiter=$!
# from the last look that has not found it waiting
start=$SECONDS
for ((i = 0; i < 300; i++)); do
	now=$SECONDS
	[ "$(store_field 1)" != full ] || break
	start=$now
	sleep 0.1
done
same "a later one finds the store full" full "$(store_field 1)"
for ((i = 0; i < 40; i++)); do
	kill -0 "$waiter" 2> /dev/null || break
	must message checkpoint	# wakes it in vain
	sleep 1
done
at_most "being woken again and again does not make it wait for ever" 39 "$i"
ok "it ends with no-space" wait "$waiter"
at_least "after a time of its own" 5 $((SECONDS - start))
finish
