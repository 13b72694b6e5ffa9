#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Durability: what was flushed, or written with FUA, is there after a power cut,
# also when the block's mapping was not durable yet, and when flushes race with
# first writes of other threads.
. "$(dirname "$0")/lib.sh"
needs

setup 8M 48M 1M
snap_new a
snap_up a
image=$(scratch 1 48M)

# a durable overwrite of a block whose first write nobody has flushed
must "$BLK" write $dm/st-a 800 8 1
must "$BLK" write $dm/st-a 800 8 2 dsync
# the same, of one sector
must "$BLK" write $dm/st-a 1600 8 1
must "$BLK" write $dm/st-a 1603 1 2 dsync
# a durable first write of one sector, and of whole blocks across windows
must "$BLK" write $dm/st-a 2405 1 3 dsync
must "$BLK" write $dm/st-a 4000 1000 4 dsync
# not durable: old or new
must "$BLK" write $dm/st-a 8000 8 5
crash_image "$image"
crash_to "$image"
store_up
snap_up a
ok "durable overwrite" "$BLK" check $dm/st-a 800 8 2
ok "durable overwrite of a sector" "$BLK" check $dm/st-a 1603 1 2
ok "with what was written around it before" "$BLK" check $dm/st-a 1600 3 1
ok "and behind it" "$BLK" check $dm/st-a 1604 4 1
ok "durable first write of a sector" "$BLK" check $dm/st-a 2405 1 3
ok "with gold around it" "$BLK" check $dm/st-a 2400 5 gold
ok "durable first write of many blocks" "$BLK" check $dm/st-a 4000 1000 4
ok "what was not durable is old or new" eval \
	"'$BLK' check $dm/st-a 8000 8 gold || '$BLK' check $dm/st-a 8000 8 5"

# a flush makes durable what any snapshot of the store had written
snap_new b
snap_up b
must "$BLK" write $dm/st-b 800 8 6
must "$BLK" flush $dm/st-b
image=$disk disk=$(scratch 0 48M)
crash_image2()
{
	must dmsetup suspend --noflush --nolockfs low
	must dd if="$image" of="$disk" bs=1M count=48 iflag=direct oflag=direct status=none
	must dmsetup resume low
}
crash_image2
crash_to "$disk"
store_up
snap_up a b
ok "after the second one: b" "$BLK" check $dm/st-b 800 8 6
ok "a" "$BLK" check $dm/st-a 4000 1000 4

# first writes, flushes and FUA from eight threads; power cuts at any moment
for round in 1 2 3; do
	snap_new "m$round"
	snap_up "m$round"
	mlog=$(new_loop 256K)
	mlog2=$(new_loop 256K)
	image=$(scratch $((round % 2)) 48M)
	: > "$tmp/run.out"
	"$MODEL" run "$dm/st-m$round" --model "$tmp/m$round" --gold-sectors "$gold_sectors" \
		--seed "$round" --threads 8 --seconds 60 --log "$mlog" > "$tmp/run.out" 2>&1 &
	pid=$!
	# it has a log, which is what the crash is judged by
	for ((i = 0; i < 300; i++)); do
		! grep -q seed= "$tmp/run.out" || break
		sleep 0.1
	done
	sleep $((1 + round))
	ok "round $round: the run goes on" kill -0 "$pid"
	crash_image "$image" "$mlog" "$mlog2"
	kill "$pid"
	wait "$pid" 2> /dev/null
	crash_to "$image"
	store_up
	snap_up "m$round"
	ok "round $round: after the power cut all is as it may be" \
		"$MODEL" verify-crash "$dm/st-m$round" --model "$tmp/m$round" --log "$mlog2"
	cat "$tmp/ok.out"

	ok "round $round: the model goes on from there" \
		"$MODEL" run "$dm/st-m$round" --model "$tmp/m$round" --threads 3 --ops 10
	losetup -d "$mlog" "$mlog2"
done
finish
