#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Suspend, resume and reload with I/O in flight; a second activation of a store
# or snapshot is refused; removal while checkpoints run.
. "$(dirname "$0")/lib.sh"
needs

setup 8M 64M
snap_new a
snap_up a
"$MODEL" run $dm/st-a --model "$tmp/a" --gold-sectors "$gold_sectors" --threads 4 --seconds 8 \
	> "$tmp/run.out" 2>&1 &
pid=$!
rounds=0 under_load=0
# each kind once, also where a machine is slow
while kill -0 "$pid" 2> /dev/null || [ "$rounds" -lt 4 ]; do
	case $((rounds % 4)) in
	0) must dmsetup suspend st-a ;;
	1) must dmsetup suspend --noflush st-a ;;
	2)
		must dmsetup load st-a --table "$(snap_table a)"
		must dmsetup suspend st-a
		;;
	3)
		must dmsetup load st --table "0 $(sectors_of "$low") sosnap-store $low 1 error_if_no_space"
		must dmsetup suspend st
		sleep 0.1
		must dmsetup resume st
		;;
	esac
	must dmsetup resume st-a
	rounds=$((rounds + 1))
	! kill -0 "$pid" 2> /dev/null || under_load=$rounds
done
ok "a run through $rounds suspends and reloads" wait "$pid"
cat "$tmp/run.out"
at_least "of which there were some under load" 1 "$under_load"
same "the table is the reloaded one" 1 "$(dmsetup table st | grep -c error_if_no_space)"

refused "a second activation of the store" "active under another name" \
	dmsetup create st2 --table "0 $(sectors_of "$low") sosnap-store $low"
refused "of the snapshot" "already" dmsetup create st-a2 --table "$(snap_table a)"
ok "which leave the first alone" "$MODEL" verify $dm/st-a --model "$tmp/a"
not_ok "no store2 is left behind" dmsetup info st2
not_ok "a store in use cannot be removed" dmsetup remove st

# names come and go while checkpoints run
(while sleep 0.02; do message checkpoint; done) > /dev/null 2>&1 &
stress=$!
for i in 1 2 3 4 5; do
	snap_new "x$i"
	snap_up "x$i"
	must "$BLK" each "$dm/st-x$i" 0 8 24 300 "$i"
	snap_down "x$i"
	ok "remove x$i" message remove "x$i"
done
kill "$stress"
wait "$stress" 2> /dev/null
ok "all their blocks come back" wait_removed
same "what is left is a's" "$(snap_field a 4)" "$(store_field 6)"

# a power cut during a removal: it goes on by itself
snap_new big
snap_up big
must "$BLK" each $dm/st-big 0 8 16 1000 1 flush
must message checkpoint
snap_down big
must message remove big
image=$(scratch 1 64M)
crash_image "$image"
blocks=$(snap_field a 4)
crash_to "$image"
store_up
snap_up a
not_ok "removed is removed" snap_line big
ok "its blocks come back" wait_removed
same "and no others" "$blocks" "$(store_field 6)"
ok "a is not concerned" "$MODEL" verify $dm/st-a --model "$tmp/a"
finish
