#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Discard and write-zeroes: they read back as zeros, of any size, free what the
# snapshot owned, and cost a huge sparse snapshot next to nothing.
. "$(dirname "$0")/lib.sh"
needs

setup 8M 64M
snap_new a
snap_up a
must "$BLK" write $dm/st-a 4096 1024 1
must "$BLK" discard $dm/st-a 801 1	# a sector of gold
must "$BLK" zeroout $dm/st-a 1603 2
must "$BLK" discard $dm/st-a 2405 22	# parts of two blocks, two whole ones
must "$BLK" discard $dm/st-a 4097 1	# a sector of an own block
must "$BLK" discard $dm/st-a 4105 1014	# most of what was written
must "$BLK" discard $dm/st-a 8192 1024	# gold: whole windows
check_all()
{
	ok "$1: a sector of gold" "$BLK" check $dm/st-a 801 1 zero
	ok "$1: before it" "$BLK" check $dm/st-a 800 1 gold
	ok "$1: behind it" "$BLK" check $dm/st-a 802 801 gold
	ok "$1: two sectors" "$BLK" check $dm/st-a 1603 2 zero
	ok "$1: behind them" "$BLK" check $dm/st-a 1605 800 gold
	ok "$1: parts and whole blocks" "$BLK" check $dm/st-a 2405 22 zero
	ok "$1: behind them" "$BLK" check $dm/st-a 2427 1669 gold
	ok "$1: own block, first sector" "$BLK" check $dm/st-a 4096 1 1
	ok "$1: own block, discarded one" "$BLK" check $dm/st-a 4097 1 zero
	ok "$1: own block, rest" "$BLK" check $dm/st-a 4098 7 1
	ok "$1: own blocks" "$BLK" check $dm/st-a 4105 1014 zero
	ok "$1: up to the next" "$BLK" check $dm/st-a 5119 1 1
	ok "$1: gold in whole windows" "$BLK" check $dm/st-a 8192 1024 zero
	ok "$1: behind them" "$BLK" check $dm/st-a 9216 1024 gold
}
check_all "at once"
must message checkpoint
check_all "after a checkpoint"
must message drop_maps
check_all "from the trees"
# 801, 1603, both ends of 2405+22, 4096 and the one after, the last of it
at_most "the blocks of what was discarded are free" 7 "$(snap_field a 4)"
must "$BLK" write $dm/st-a 8200 8 2
must "$BLK" write $dm/st-a 8301 1 2
ok "zeros can be written again" "$BLK" check $dm/st-a 8200 8 2
ok "in part, too" "$BLK" check $dm/st-a 8296 5 zero

must "$BLK" discard $dm/st-a 0 "$gold_sectors"
ok "the whole device is zeros" "$BLK" check $dm/st-a 0 "$gold_sectors" zero
same "and owns nothing" 0 "$(snap_field a 4)"
must message checkpoint
same "its blocks are given back" 0 "$(store_field 6)"
must "$BLK" write $dm/st-a 800 8 3
snap_down a
snap_up a
ok "zeros stay" "$BLK" check $dm/st-a 0 800 zero
ok "and what was written over them" "$BLK" check $dm/st-a 800 8 3

snap_new b
snap_up b
ok "discards racing with writes" "$BLK" race discard $dm/st-b 0 40
sum=$(md5sum < $dm/st-b)
snap_down b
snap_up b
same "the same after deactivation and activation" "$sum" "$(md5sum < $dm/st-b)"

# 1 TiB above a gold image of 8 MiB: discarded whole, as mkfs does
huge=$((1 << 31))
snap_new huge "$huge"
snap_up huge
for i in 1 2 3 4; do
	must "$BLK" write $dm/st-huge $((i << 28)) 8 "$i"
done
must "$BLK" write $dm/st-huge $((huge - 8)) 8 9
must message commit
records=$(stat_of log_records)
start=$SECONDS
ok "discard of 1 TiB" timeout 30 blkdiscard $dm/st-huge
at_most "takes seconds" 15 $((SECONDS - start))
# the block layer makes requests of 4 GiB less a block of it: two ends and a middle each
at_most "and few records" $((records + 1024)) "$(stat_of log_records)"
for i in 1 2 3 4; do
	ok "what was at $i is zeros" "$BLK" check $dm/st-huge $((i << 28)) 8 zero
done
ok "the last block, too" "$BLK" check $dm/st-huge $((huge - 8)) 8 zero
ok "the gold, too" "$BLK" check $dm/st-huge 0 2048 zero
same "it owns nothing" 0 "$(snap_field huge 4)"
must "$BLK" write $dm/st-huge $((huge / 2)) 16 5
snap_down huge
snap_up huge
ok "it can be written again" "$BLK" check $dm/st-huge $((huge / 2)) 16 5
ok "and is zeros around" "$BLK" check $dm/st-huge $((huge / 2 + 16)) 2048 zero
ok "from the start" "$BLK" check $dm/st-huge 0 2048 zero
store_down
extents=$("$SOSNAP" store dump "$low" | awk '/^extents/ { on = 1 } /^journal:/ { on = 0 }
	on && $1 == 3 { n++ } END { print n + 0 }')
at_most "on disk it is what was written, and zeros around it" 4 "$extents"
at_least "which is there" 2 "$extents"
finish
