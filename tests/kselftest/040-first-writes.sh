#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Eight first writes to one block at once: whole, parts of it, disjoint sectors
# and overlapping ranges.  Nothing is lost, nothing foreign appears, and what
# reads back stays what it is after the map was loaded again.
. "$(dirname "$0")/lib.sh"
needs

setup 16M 64M
snap_new a
snap_up a
n=0
for mode in whole disjoint overlap mixed; do
	ok "$mode" "$BLK" race "$mode" $dm/st-a $((n * 512)) 25
	n=$((n + 1))
done
# and with other parts of the machinery at work: checkpoints and evictions
(while sleep 0.05; do message checkpoint; message drop_maps; done) > /dev/null 2>&1 &
stress=$!
for mode in disjoint overlap mixed whole; do
	ok "$mode, with checkpoints and evictions" "$BLK" race "$mode" $dm/st-a $((n * 512)) 25
	n=$((n + 1))
done
kill "$stress"
wait "$stress" 2> /dev/null

sum=$(md5sum < $dm/st-a)
must message checkpoint
must message drop_maps
must sync
echo 3 > /proc/sys/vm/drop_caches
same "the same after eviction" "$sum" "$(md5sum < $dm/st-a)"
snap_down a
store_down
store_up
snap_up a
same "the same after deactivation and activation" "$sum" "$(md5sum < $dm/st-a)"
finish
