#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# A device that fails while four threads write, checkpoints run and maps are loaded:
# its journal alone; one that becomes slow first; and one whose writes fail. The
# writers meet errors. When the device has healed and the store is activated again,
# the model judges every sector: what was made durable is there, and of the rest
# each has something that was written to it.
. "$(dirname "$0")/lib.sh"
needs
. "$(dirname "$0")/faults.sh"
modprobe -q dm-delay
dmsetup targets | grep -q '^delay ' || skip "this kernel has no dm-delay"

new_gold 8M
size=$((48 * 2048))
new_store 48M 1M
store_up
gold_add

# fails_under_load TEXT FAULT...
fails_under_load()
{
	local text=$1 mlog pid stress i

	shift
	snap_new m > /dev/null
	snap_up m
	mlog=$(new_loop 256K)
	"$MODEL" run $dm/st-m --model "$tmp/m" --gold-sectors "$gold_sectors" \
		--seed "${SOSNAP_SEED:-$RANDOM}" --threads 4 --seconds 60 --log "$mlog" \
		> "$tmp/run.out" 2>&1 &
	pid=$!
	(while sleep 0.2; do message checkpoint; message drop_maps; done) > /dev/null 2>&1 &
	stress=$!
	sleep 2
	ok "$text: the model runs" kill -0 "$pid"
	"$@"
	for ((i = 0; i < 300; i++)); do
		kill -0 "$pid" 2> /dev/null || break
		sleep 0.1
	done
	not_ok "$text: it meets errors" wait "$pid"
	ok "$text: of I/O" grep -q "Input/output error" "$tmp/run.out"
	kill "$stress"
	wait "$stress" 2> /dev/null
	# a write that fails is its writer's affair; a commit that fails is the store's
	for ((i = 0; i < 50; i++)); do
		[ "$(store_field 1)" = rw ] || break
		message checkpoint > /dev/null 2>&1
		sleep 0.1
	done
	same "$text: the store has failed" failed "$(store_field 1)"
	store_down
	heal
	ok "$text: the state on disk is whole" whole
	store_up
	snap_up m
	ok "$text: all is as it may be" \
		"$MODEL" verify-crash $dm/st-m --model "$tmp/m" --log "$mlog" ||
		grep -h seed "$tmp/run.out"
	snap_down m
	must message remove m
	rm -f "$tmp/m"
	losetup -d "$mlog"
}

fails_under_load "the journal fails" fail_blocks 257 256
slow_then_nothing()
{
	swap low "0 $size delay $disk 0 20"
	sleep 1
	same "a slow device is none that fails" rw "$(store_field 1)"
	fail_all
}
fails_under_load "a slow device fails" slow_then_nothing
fails_under_load "writes fail" fail_writes
ok "what was removed is gone" wait_removed
finish
