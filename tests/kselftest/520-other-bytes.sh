#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 1200
#
# No read of a snapshot ever shows what another one wrote: not of blocks never
# written, discarded, written in part, or used again after a removal, while
# several snapshots are written and others come and go.
# SOSNAP_FUZZ_SECONDS says how long.
. "$(dirname "$0")/lib.sh"
needs
marker=$SOSNAP_TOP/build/tests/marker

setup 4M 32M 1M
snap_new a
snap_new b
snap_up a b
seconds=${SOSNAP_FUZZ_SECONDS:-20}
seed=${SOSNAP_SEED:-1}
"$marker" $dm/st-a "$gold" 1 "$seed" "$seconds" > "$tmp/a" 2>&1 &
a=$!
"$marker" $dm/st-b "$gold" 2 $((seed + 1)) "$seconds" > "$tmp/b" 2>&1 &
b=$!
# others use the blocks that were freed, and give them back
n=3 bad=0
while kill -0 $a 2> /dev/null || kill -0 $b 2> /dev/null; do
	snap_new "x$n"
	snap_up "x$n"
	"$marker" "$dm/st-x$n" "$gold" $n $((seed + n)) 2 new > "$tmp/x" 2>&1 ||
		{ bad=$((bad + 1)); sed 's/^/  /' "$tmp/x"; }
	snap_down "x$n"
	must message remove "x$n"
	must message checkpoint
	n=$((n + 1))
done
wait $a
ok "the first read its own bytes only" test $? = 0
wait $b
ok "the second read its own bytes only" test $? = 0
sed 's/^/  /' "$tmp/a" "$tmp/b"
same "so did all that came and went" 0 "$bad"
at_least "several came and went" 4 "$n"

# that the reader would notice: bytes of another number
other=$(new_loop 4M)
must dd if="$gold" of="$other" bs=1M status=none
ok "a device of its own passes" "$marker" "$other" "$gold" 7 1 3
not_ok "one that another wrote to does not" "$marker" "$other" "$gold" 8 1 6

# the same after a crash and with maps loaded again
image=$(scratch 1 32M)
crash_image "$image"
crash_to "$image"
store_up
snap_up a b
ok "after a crash, the first" "$marker" $dm/st-a "$gold" 1 9 1
ok "after a crash, the second" "$marker" $dm/st-b "$gold" 2 9 1
finish
