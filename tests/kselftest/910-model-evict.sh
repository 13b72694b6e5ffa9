#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
#
# The model while maps are evicted, checkpoints run and snapshots come and go,
# with the smallest map memory and journal; and on a store that is full.
. "$(dirname "$0")/lib.sh"
needs

seed=${SOSNAP_SEED:-$(date +%s)}
echo "# SOSNAP_SEED=$seed"
new_gold 16M
new_store 160M 1M
store_up map_memory 1
gold_add
snap_new a
snap_up a
(
	n=0
	while :; do
		message drop_maps
		message checkpoint
		message drop_maps
		n=$((n + 1))
		snap_new "x$n" > /dev/null
		[ "$n" -le 2 ] || message remove "x$((n - 2))"
	done
) > /dev/null 2>&1 &
stress=$!
ok "with evictions and checkpoints" "$MODEL" run $dm/st-a --model "$tmp/a" \
	--gold-sectors "$gold_sectors" --seed "$seed" --threads 6 --ops 150
cat "$tmp/ok.out"
kill "$stress"
wait "$stress" 2> /dev/null
must message checkpoint
must message drop_maps
ok "from the trees" "$MODEL" verify $dm/st-a --model "$tmp/a"
store_down
ok "the store is clean" store_check
store_up
snap_up a
ok "after activation" "$MODEL" verify $dm/st-a --model "$tmp/a"
store_down
must dmsetup remove low
low=''

# a store that is too small for what is written
new_store 9M 1M
store_up error_if_no_space
gold_add
snap_new a 65536
snap_up a
rm "$tmp/a"
ok "without space" "$MODEL" run $dm/st-a --model "$tmp/a" --gold-sectors "$gold_sectors" \
	--seed "$((seed + 1))" --threads 4 --ops 200 --no-space
tee "$tmp/full.out" < "$tmp/ok.out"
ok "there was a lack of it" grep -q 'no_space=[1-9]' "$tmp/full.out"
snap_down a
store_down
ok "the full store is clean" store_check
store_up
snap_up a
ok "nothing is lost" "$MODEL" verify $dm/st-a --model "$tmp/a"
finish
