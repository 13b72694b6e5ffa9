#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Two snapshots of one gold image: they read as it does, keep their writes to
# themselves, and have them again after the store was down.
. "$(dirname "$0")/lib.sh"
needs

setup 8M 64M
snap_new a
snap_new b
ok "both are listed" test "$(message list snapshot | wc -l)" = 2
same "and from an id on" "$(message list snapshot | tail -n 1)" "$(message list snapshot 2)"
snap_up a b
ok "a reads as the gold image" "$BLK" check $dm/st-a 0 "$gold_sectors" gold
ok "b reads as the gold image" "$BLK" check $dm/st-b 0 "$gold_sectors" gold
same "nothing has changed" "0 0" "$(snap_field a 4) $(snap_field b 4)"

must "$BLK" write $dm/st-a 80 8 1	# one block
must "$BLK" write $dm/st-a 1003 1 2	# one sector of one
must "$BLK" write $dm/st-a 2045 100 3	# off the grid at both ends
must "$BLK" write $dm/st-a 4096 2048 4	# 1 MiB
must "$BLK" write $dm/st-b 80 8 5	# where a has one, too
check_both()
{
	ok "$1: a's block" "$BLK" check $dm/st-a 80 8 1
	ok "$1: the rest of a block of which a sector was written, before" "$BLK" check $dm/st-a 1000 3 gold
	ok "$1: the sector" "$BLK" check $dm/st-a 1003 1 2
	ok "$1: and after" "$BLK" check $dm/st-a 1004 1041 gold
	ok "$1: off the grid" "$BLK" check $dm/st-a 2045 100 3
	ok "$1: up to the next" "$BLK" check $dm/st-a 2145 1951 gold
	ok "$1: 1 MiB" "$BLK" check $dm/st-a 4096 2048 4
	ok "$1: and the rest of a" "$BLK" check $dm/st-a 6144 $((gold_sectors - 6144)) gold
	ok "$1: b's block" "$BLK" check $dm/st-b 80 8 5
	ok "$1: b before it" "$BLK" check $dm/st-b 0 80 gold
	ok "$1: b after it" "$BLK" check $dm/st-b 88 $((gold_sectors - 88)) gold
	same "$1: changed blocks" "272 1" "$(snap_field a 4) $(snap_field b 4)"
}
check_both "at once"
must message commit
check_both "after a commit"
must message checkpoint
check_both "after a checkpoint"
must message drop_maps
check_both "from the trees"

must "$BLK" write $dm/st-a 81 2 6	# part of an own block
ok "overwrite of a part" "$BLK" check $dm/st-a 81 2 6
ok "keeps the rest" "$BLK" check $dm/st-a 83 5 1
must "$BLK" write $dm/st-a 80 8 1
ok "the gold image is unchanged" "$BLK" check "$gold" 0 "$gold_sectors" gold

store_down
ok "the store is clean while down" store_check
store_up
same "the store is back" "rw st" "$(store_field 1) $(store_field 2)"
snap_up b a
check_both "after deactivation and activation"

# a crash image: nothing was closed
image=$(scratch 1 64M)
must "$BLK" write $dm/st-b 800 16 7
must "$BLK" flush $dm/st-b
crash_image "$image"
crash_to "$image"
store_up
snap_up a b
check_more()
{
	ok "$1: a" "$BLK" check $dm/st-a 4096 2048 4
	ok "$1: b's flushed write" "$BLK" check $dm/st-b 800 16 7
	ok "$1: b's block" "$BLK" check $dm/st-b 80 8 5
	same "$1: changed blocks" "272 3" "$(snap_field a 4) $(snap_field b 4)"
}
check_more "after a crash"
snap_down a b
snap_up a b
check_more "once more"

snap_down b
refused "an active snapshot is not removed" "snapshot is active" message remove a
ok "an inactive one is" message remove b
ok "its blocks come back" wait_removed
same "what is left is a's" "272 1" "$(store_field 6) $(store_field 13)"
ok "a is not concerned" "$BLK" check $dm/st-a 4096 2048 4
finish
