#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
#
# Random reads, writes of 512 B to 1 MiB, discards, zero-outs, flushes and FUA
# writes of several threads on two snapshots at once, against a model in memory;
# across deactivation and activation; another snapshot stays as it is.
. "$(dirname "$0")/lib.sh"
needs

seed=${SOSNAP_SEED:-$(date +%s)}
echo "# SOSNAP_SEED=$seed"
setup 16M 200M
snap_new a
snap_new b 40009	# longer than its gold image, its last block is not whole
snap_new still
snap_up a b still
must "$BLK" write $dm/st-still 4000 2048 1

run()
{
	"$MODEL" run "$dm/st-$1" --model "$tmp/$1" --gold-sectors "$gold_sectors" \
		--seed "$((seed + ${#1}))" --threads "$2" --ops "$3" > "$tmp/$1.out" 2>&1
}
for round in 1 2; do
	run a 5 80 &
	pid=$!
	ok "round $round: b" run b 3 80
	ok "round $round: a" wait "$pid"
	cat "$tmp/a.out" "$tmp/b.out"
	store_down
	ok "round $round: the store is clean" store_check
	store_up
	snap_up a b still
	ok "round $round: a after activation" "$MODEL" verify $dm/st-a --model "$tmp/a"
	ok "round $round: b after activation" "$MODEL" verify $dm/st-b --model "$tmp/b"
done
ok "a third one is not concerned" "$BLK" check $dm/st-still 4000 2048 1
ok "and has gold elsewhere" "$BLK" check $dm/st-still 6048 20000 gold
ok "the gold image is unchanged" "$BLK" check "$gold" 0 "$gold_sectors" gold
finish
