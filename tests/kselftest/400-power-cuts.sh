#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 4000
#
# Power cuts at every flush and FUA write: the store lies on dm-log-writes, and so
# does the model's log, so that a cut leaves both as of one moment. Two threads
# work on a snapshot while checkpoints run and another snapshot is removed. Then
# the device is made again as it was at every flush and FUA write, and as cuts
# between them leave it that lose, reorder and tear what was not flushed. Each is
# activated, compared with what the model knows was durable, and checked.
#
# LOGWRITES_OPS=N      operations of each thread (16)
# LOGWRITES_CUTS=N     cuts between one boundary and the next (1)
# LOGWRITES_SECONDS=N  no new boundary after so long (60); it says how far it got
# SOSNAP_SEED=N        the same operations and cuts again
. "$(dirname "$0")/lib.sh"
needs
modprobe -q dm-log-writes || skip "this kernel has no dm-log-writes"
LOGWRITES=$SOSNAP_TOP/build/tests/logwrites

ops=${LOGWRITES_OPS:-16} cuts=${LOGWRITES_CUTS:-1} limit=${LOGWRITES_SECONDS:-60}
seed=${SOSNAP_SEED:-$(date +%s)}
echo "# SOSNAP_SEED=$seed"
store=$((16 * 2048)) log=128
low=$dm/low mlog=$dm/mlog

# side_by_side DEVICE: the store's device and the one for the model's log, on it
side_by_side()
{
	must dmsetup create low --table "0 $store linear $1 0"
	must dmsetup create mlog --table "0 $log linear $1 $store"
}

part()
{
	must dm_remove low
	must dm_remove mlog
}

disk=$(scratch 0 32M)
wipe "$disk"
side_by_side "$disk"
must dd if=/dev/zero of=$mlog bs=64K count=1 oflag=direct conv=notrunc status=none
new_gold 4M
must "$SOSNAP" store create "$low" --name st --journal 1M
store_up
gold_add
snap_new a
snap_new still
snap_new gone
snap_up a still gone
must "$BLK" write $dm/st-still 4000 1000 1 dsync
must "$BLK" write $dm/st-gone 0 2048 2 dsync
must "$MODEL" new $dm/st-a --model "$tmp/before" --gold-sectors "$gold_sectors" --seed "$seed"
table_a=$(snap_table a) table_still=$(snap_table still)
store_down
part
must dd if="$disk" of="$tmp/base" bs=64K count=$(((store + log) / 128)) iflag=direct status=none

# the run
writes=$(scratch 1 256M)
must dmsetup create logged --table "0 $((store + log)) log-writes $disk $writes"
side_by_side $dm/logged
cp "$tmp/before" "$tmp/after"
store_up
snap_up a
"$MODEL" run $dm/st-a --model "$tmp/after" --threads 2 --ops "$ops" --log "$mlog" \
	> "$tmp/run.out" 2>&1 &
pid=$!
must message remove gone
for ((i = 0; i < 100; i++)); do
	kill -0 "$pid" 2> /dev/null || break
	must message checkpoint
	must message drop_maps
	sleep 0.3
done
ok "the run ends well" wait "$pid"
cat "$tmp/run.out"
store_down
part
must dm_remove logged
log_line=$("$LOGWRITES" list "$writes") || die "the log cannot be read"
echo "# $log_line"
boundaries=${log_line#*boundaries=} boundaries=${boundaries%% *}
at_least "there are flushes and FUA writes" "$ops" "$boundaries"

# The cuts. Before the run had begun its log, the snapshot is as it was.
image=$(scratch 2 32M)
side_by_side "$image"
disk=$image

# All devices by one call of dmsetup each way: there are many cuts.
devices="st,,,rw,0 $store sosnap-store $low"
devices+=";st-a,,,rw,$table_a;st-still,,,ro,$table_still"

judge()
{
	"$MODEL" verify-crash $dm/st-a --model "$tmp/before" --log "$mlog" --no-save \
		> "$tmp/judge" 2>&1 && return 0
	grep -q 'holds no log of a run' "$tmp/judge" &&
		"$MODEL" verify $dm/st-a --model "$tmp/before" > "$tmp/judge" 2>&1
}

# power_cut BOUNDARY [SEED...]
power_cut()
{
	must "$LOGWRITES" replay "$writes" "$tmp/base" "$image" --boundary "$1" "${@:2}"
	dmsetup create --concise "$devices" > "$tmp/judge" 2>&1 && judge &&
		{ [ $# -gt 1 ] || still_is_still; } || return 1
	dmsetup remove st-a st-still st > "$tmp/judge" 2>&1 || store_down
	store_check > "$tmp/judge"
}

still_is_still()
{
	"$BLK" check $dm/st-still 4000 1000 1 > "$tmp/judge" 2>&1 &&
		"$BLK" check $dm/st-still 5000 500 gold > "$tmp/judge" 2>&1
}

try()
{
	power_cut "$@" && return
	echo "  boundary $*"
	sed 's/^/  /' "$tmp/judge" | head -n 20
	store_down
	bad=$((bad + 1))
}

# Far apart at first, so that those for which there is time are from all of the run.
at_boundaries=0 between=0 bad=0 limit=$((SECONDS + limit))
for ((start = 0; start < 7; start++)); do
	for ((b = start; b <= boundaries && SECONDS < limit && bad < 3; b += 7)); do
		try "$b"
		at_boundaries=$((at_boundaries + 1))
		for ((k = 1; k <= cuts; k++)); do
			try "$b" --seed $((seed + b * cuts + k))
			between=$((between + 1))
		done
	done
done
echo "# power cuts: $at_boundaries at the $((boundaries + 1)) boundaries, $between between them"
same "each activates, is what the model knows, and passes the check" 0 "$bad"

# the same with flushes that do nothing has to be found out
found=0
for ((k = 1; k <= 20 && !found; k++)); do
	power_cut $((boundaries / 2 + k % (boundaries / 2))) --no-flush --seed $((seed + k)) ||
		found=1
	store_down
done
same "flushes without effect are found out" 1 "$found"
must "$LOGWRITES" replay "$writes" "$tmp/base" "$image" --boundary "$boundaries"
finish
