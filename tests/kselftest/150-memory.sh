#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# What the maps cost in memory: what is used, within a bound, and given back when
# the host needs it.
. "$(dirname "$0")/lib.sh"
needs

free_kib()
{
	awk '/^(MemFree|Buffers|Cached|SReclaimable):/ { sum += $2 } END { print sum }' /proc/meminfo
}

# The same once nothing is given back any more: much is freed only some time after
# its last use.
settled_kib()
{
	local i calm=0 most=0 now

	for ((i = 0; i < 40 && calm < 3; i++)); do
		echo 3 > /proc/sys/vm/drop_caches
		sleep 0.3
		now=$(free_kib)
		calm=$((calm + 1))
		[ "$now" -le $((most + 256)) ] || { most=$now calm=0; }
	done
	echo "$now"
}

# Memory that 1,000 devices take, in KiB, from a list for dmsetup --concise on stdin.
cost_of()
{
	local before list

	list=$(paste -sd ';')
	before=$(settled_kib)
	must dmsetup create --concise "$list"
	echo $((before - $(settled_kib)))
}

linears()
{
	seq 1000 | sed "s|.*|l&,,,rw,0 $gold_sectors linear $gold 0|" | cost_of
	must dmsetup remove l{1..1000}
}

drop_host_memory()
{
	local i

	for ((i = 0; i < 50; i++)); do
		echo 2 > /proc/sys/vm/drop_caches
		[ "$(store_field 15)" -gt "$1" ] || return 0
		sleep 0.1
	done
	return 1
}

# a gold image of 2 GiB that takes no memory itself
must dmsetup create zero --table "0 $(to_sectors 2G) zero"
gold=$dm/zero
gold_sectors=$(sectors_of "$gold")
new_store 960M
store_up
gold_add

# 2 GiB read, 25 MiB written in runs of 4 KiB, each in a window of its own
snap_new a
snap_up a
same "a map that nobody used takes nothing" 0 "$(snap_field a 6)"
must dd if=$dm/st-a of=/dev/null bs=1M iflag=direct status=none
echo "# 2 GiB read: $(snap_field a 6) KiB"
at_most "a map of gold blocks takes 8 bytes for 256 KiB" 80 "$(snap_field a 6)"
must "$BLK" each $dm/st-a 320 8 640 6400 7
echo "# and 6,400 scattered writes of 4 KiB: $(snap_field a 6) KiB"
most=1024
# a kernel that watches locks makes each of them larger
[ ! -e /proc/lockdep ] || most=2048
at_most "after 2 GiB of reads and 25 MiB of scattered writes it is at most 1 MiB" $most \
	"$(snap_field a 6)"
same "the store says the same" "$(snap_field a 6)" "$(store_field 15)"

# What has records stays, what is clean goes. Each record has a window of its own, of a
# hundred bytes; a timer may have had some of them merged, so one look tells both.
must message drop_maps
read -r records kib <<< "$(dmsetup status st | awk '{ print $14, $18 }')"
echo "# with $records records, after drop_maps: $kib KiB"
at_least "what no checkpoint has merged stays" $((records * 96 / 1024)) "$kib"
must message checkpoint
ok "the host's shrinker gets it back" drop_host_memory 16
echo "# after the shrinker: $(store_field 15) KiB"
ok "and it is loaded again" "$BLK" check $dm/st-a 320 8 7
ok "to the last block" "$BLK" check $dm/st-a $((320 + 6399 * 640)) 8 7
ok "and what is beside it too" "$BLK" check $dm/st-a 328 8 zero
snap_down a
same "a snapshot that is gone has no map" 0 "$(store_field 15)"

# a bound for all
store_down
store_up map_memory 1
for name in b c d; do
	snap_new $name
	snap_up $name
done
# 12,000 windows with records, of two thirds of a MiB for each 4,000, by three at once
for name in b c d; do
	"$BLK" each $dm/st-$name 320 8 640 4000 9 > "$tmp/each-$name" 2>&1 &
done
for job in $(jobs -p); do
	ok "a scattered writer comes to its end" wait "$job"
done
echo "# while they wrote: at most $(stat_of map_peak_kib) KiB, now $(store_field 15) KiB"
at_most "map_memory 1 holds while they write, but for what was under way" 1152 "$(stat_of map_peak_kib)"
at_least "and it was reached" 896 "$(stat_of map_peak_kib)"
for name in b c d; do
	must dd if=$dm/st-$name of=/dev/null bs=1M iflag=direct status=none
done
echo "# while they were read: at most $(stat_of map_peak_kib) KiB"
# to the same windows, which have to be loaded first, at other blocks; parts of blocks; discards
must "$BLK" each $dm/st-b 336 8 640 1000 8
must "$BLK" each $dm/st-c 337 2 640 200 8
for ((i = 0; i < 50; i++)); do
	must blkdiscard -o $(((352 + i * 640) * 512)) -l 4096 $dm/st-d
done
echo "# after writes beside those: at most $(stat_of map_peak_kib) KiB"
at_most "it holds for writes to what has to be loaded, parts of blocks and discards" 1152 "$(stat_of map_peak_kib)"
ok "which are all there" "$BLK" check $dm/st-b $((336 + 999 * 640)) 8 8
must message checkpoint
for ((i = 0; i < 50; i++)); do
	[ "$(store_field 15)" -gt 1024 ] || break
	sleep 0.1
done
at_most "map_memory 1 keeps three busy snapshots within 1 MiB" 1024 "$(store_field 15)"
ok "nothing of them is lost" "$BLK" check $dm/st-b 320 8 9
ok "at the end neither" "$BLK" check $dm/st-d $((320 + 3999 * 640)) 8 9
snap_down b c d

# A thousand. The host's own use moves by as much as what is looked for here, so
# this is measured again before it is called too much. On a kernel that puts guards around
# each object, both are larger, and so is what is between them.
limit=16000
! grep -qw kasan_report /proc/kallsyms || limit=20000
must "$SOSNAP" create st/n{1..1000} --gold g
linear=$(linears)
for ((i = 0; i < 5; i++)); do
	sosnap=$(message list snapshot |
		awk -v g="$gold" '$2 ~ /^n/ { print "st-" $2 ",,,rw,0 " $3 " sosnap /dev/mapper/st " $1 " " g }' |
		cost_of)
	same "1,000 are there" 1000 "$(dmsetup ls | grep -c '^st-n')"
	must dmsetup remove st-n{1..1000}
	before=$linear
	linear=$(linears)
	more=$((sosnap - (before + linear) / 2))
	echo "# 1,000 devices: dm-linear $before and $linear KiB, idle snapshots $sosnap KiB"
	[ "$more" -gt $limit ] || break
done
at_most "an idle snapshot takes less than 16 KiB more than a dm-linear device" $limit "$more"
finish
