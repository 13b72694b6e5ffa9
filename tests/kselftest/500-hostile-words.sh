#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 1200
#
# Messages and table lines that are nearly right, wrong or nonsense, from two
# processes at a time beside creations, removals and suspends, harm nothing: the
# store goes on, and is clean.  SOSNAP_FUZZ_SECONDS says how long, SOSNAP_SEED
# repeats a run.
. "$(dirname "$0")/lib.sh"
needs
dmfuzz=$SOSNAP_TOP/build/tests/dmfuzz

setup 8M 128M
snap_new keep
snap_new other
snap_up keep
must "$BLK" write $dm/st-keep 800 64 1 dsync
seconds=${SOSNAP_FUZZ_SECONDS:-30}
seed=${SOSNAP_SEED:-1}
echo "  SOSNAP_SEED=$seed"
"$dmfuzz" st "$low" "$gold" "$((seed * 2))" "$seconds" > "$tmp/one" 2>&1 &
one=$!
"$dmfuzz" st "$low" "$gold" "$((seed * 2 + 1))" "$seconds" > "$tmp/two" 2>&1 &
two=$!
# a guest goes on meanwhile
rounds=0 bad=0
while kill -0 $one 2> /dev/null || kill -0 $two 2> /dev/null; do
	at=$((1600 + rounds % 100 * 64))
	{ "$BLK" write $dm/st-keep $at 8 2 dsync && "$BLK" check $dm/st-keep $at 8 2; } ||
		bad=$((bad + 1))
	rounds=$((rounds + 1))
done
ok "the first ended" wait $one
ok "the second ended" wait $two
sed 's/^/  /' "$tmp/one" "$tmp/two"
for log in one two; do
	read -r calls _ taken _ < "$tmp/$log"
	at_least "some of $log's calls were accepted" 20 "${taken:-0}"
	at_least "and some refused" 20 "$((${calls:-0} - ${taken:-0}))"
done
same "no write of the guest was refused ($rounds)" 0 "$bad"
same "the store goes on" rw "$(store_field 1)"
ok "what the guest wrote before is there" "$BLK" check $dm/st-keep 800 64 1
ok "messages are answered" message list snapshot
snap_new after
snap_up after
ok "a new snapshot can be written" "$BLK" write $dm/st-after 8 8 3 dsync
same "no device is left" 0 "$(dmsetup ls | grep -c '^dmfuzz')"
finish
