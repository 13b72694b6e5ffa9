#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# The smallest journal, and writers that fill it many times over: they wait for
# checkpoints, nothing is lost, and a power cut in the middle is survived.
. "$(dirname "$0")/lib.sh"
needs

setup 8M 64M 1M
same "the journal has 256 blocks" 256 "$(store_field 10)"
snap_new a
snap_new b
snap_up a b
gen=$(store_field 12)
seq=$(stat_of commit_durable)

# each durable write is a commit of a block or more
pids=()
for i in 0 1 2 3; do
	"$BLK" each $dm/st-a $((i * 8)) 8 32 400 1 dsync &
	pids+=($!)
done
"$BLK" each $dm/st-b 0 8 16 1000 2 &
pids+=($!)
sleep 1
# the first of them is durable once its writer has written the next
for ((i = 0; i < 300; i++)); do
	! "$BLK" check $dm/st-a 32 8 1 2> /dev/null || break
	sleep 0.1
done
image=$(scratch 1 64M)
crash_image "$image"
rc=0
for pid in "${pids[@]}"; do
	wait "$pid" || rc=1
done
same "all writes succeed" 0 "$rc"
at_least "in as many commits as fill the journal" 300 $(($(stat_of commit_durable) - seq))
at_least "that checkpoints made room for" 1 $(($(store_field 12) - gen))
ok "a has all of them" "$BLK" check $dm/st-a 0 12800 1
ok "b, too" "$BLK" check $dm/st-b 15984 8 2
ok "b has gold between" "$BLK" check $dm/st-b 8 8 gold
at_most "the journal is not overrun" 256 "$(store_field 9)"
store_down
ok "the store is clean" store_check
store_up
snap_up a b
ok "a after activation" "$BLK" check $dm/st-a 0 12800 1
ok "b after activation" "$BLK" check $dm/st-b 15984 8 2

crash_to "$image"
store_up
snap_up a b
ok "after a power cut in the middle: the first writes are there" "$BLK" check $dm/st-a 0 8 1
ok "every block of a is old or new" old_or_new a 0 1600 1
ok "every block of b is old or new" old_or_new b 0 2000 2
finish
