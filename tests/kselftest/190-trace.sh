#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tracepoints fire, once for each thing they tell of; dmstats counts a snapshot's
# I/O as that of any other device.
. "$(dirname "$0")/lib.sh"
needs

trace=/sys/kernel/tracing
[ -d $trace/events ] || mount -t tracefs tracefs $trace 2> /dev/null
[ -d $trace/events/sosnap ] || skip "the kernel has no tracefs"

setup 64M 24M 1M
store_down
store_up error_if_no_space
snap_new a
snap_up a
dev=$(dmsetup info -c --noheadings -o major,minor st)

events()
{
	grep -c "sosnap_$1: dev=$dev " $trace/trace
}

same "five of them" "sosnap_checkpoint sosnap_commit sosnap_evict sosnap_first_write sosnap_no_space" \
	"$(cd $trace/events/sosnap && echo sosnap_*)"
must "$BLK" each $dm/st-a 0 8 8 10 1 flush
same "nothing is traced unasked" 0 "$(events first_write)"

# again on other blocks where the commit that a timer makes has come in between
for try in 0 1 2; do
	blk=$((100 + try * 10))
	settle
	echo > $trace/trace
	echo 1 > $trace/events/sosnap/enable
	must "$BLK" each $dm/st-a $((blk * 8)) 8 8 10 1 flush
	must "$BLK" each $dm/st-a $((blk * 8)) 8 8 10 2 flush
	[ "$(events commit)" != 1 ] || break
done
same "first writes, and no others" 10 "$(events first_write)"
ok "with what they are" grep -q "sosnap_first_write: dev=$dev snapshot=1 blk=$blk len=1 store_blk=" \
	$trace/trace
same "their commit" 1 "$(events commit)"
ok "of so many records" grep -q "sosnap_commit: dev=$dev seq=[0-9]* records=10 slots=10 " $trace/trace
must message checkpoint
ok "a checkpoint" grep -q "sosnap_checkpoint: dev=$dev gen=[0-9]* seq=[0-9]* records=[0-9]* error=0" \
	$trace/trace
must message drop_maps
same "an eviction" 1 "$(events evict)"
"$BLK" each $dm/st-a 8192 8 8 8000 1 until-full > /dev/null
at_least "out of space" 1 "$(grep -c "sosnap_no_space: dev=$dev snapshot=1 .* fails=1" $trace/trace)"
echo 0 > $trace/events/sosnap/enable

if command -v dmstats > /dev/null; then
	must dmstats create st-a
	must "$BLK" each $dm/st-a 0 8 8 10 3 flush
	same "dmstats counts" 10 "$(dmsetup message st-a 0 @stats_print 0 | awk '{ print $6 }')"
	must dmstats delete --allregions st-a
else
	must dmsetup message st-a 0 @stats_create - /1
	must "$BLK" each $dm/st-a 0 8 8 10 3 flush
	same "device-mapper's statistics count" 10 \
		"$(dmsetup message st-a 0 @stats_print 0 | awk '{ print $6 }')"
	must dmsetup message st-a 0 @stats_delete 0
fi
finish
