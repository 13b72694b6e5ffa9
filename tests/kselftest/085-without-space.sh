#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# Every step with exactly too little space, where first writes fail for lack of
# it. Snapshot f takes all blocks but k, for each k from 0 on; then first writes of
# several lengths, of parts of blocks, flushes, checkpoints, discards, removals,
# snapshots and all other messages find k blocks. What needs more fails with
# no-space, alone and before anything is changed; what does not goes on; each block
# is what it has to be, none is lost, and power cuts find all that was flushed.
. "$(dirname "$0")/lib.sh"
needs

# All of f, and what it has given back last.
f_is_right()
{
	f_top=$((f_end > f_top ? f_end : f_top))
	"$BLK" check "$dm/st-f" 0 $((f_end * 8)) 1 &&
		"$BLK" check "$dm/st-f" $((f_end * 8)) $(((f_top - f_end) * 8)) zero
}

# A power cut now: goes on with what it has left.
power_cut()
{
	local image=$other

	crash_image "$image"
	other=$disk
	crash_to "$image"
	ok "$1: what a power cut leaves is clean" crash_check
	store_up error_if_no_space
	snap_up a f "${@:2}"
}

new_gold 16M
disk=$(scratch 0 64M) || exit 1
wipe "$disk"
other=$(scratch 1 64M) || exit 1
low=$dm/low
must dmsetup create low --table "0 $(to_sectors 8M) linear $disk 0"
new_store 8M 1M
store_up error_if_no_space
gold_add
for name in a f old; do
	snap_new "$name"
done
snap_up a f old
must "$BLK" each $dm/st-old 0 8 8 64 9 flush
snap_down old
fill_f
# or the timer has had records merged since, and there is room for some more
[ "$(left)" = 0 ] || fill_f
f_top=$f_end
echo "# full: $f_end blocks of f"
same "the store is filled to the last block, without being told to merge" 0 "$(left)"
must message checkpoint
leave 0
same "where the next one fails" ENOSPC "$("$BLK" errno write $dm/st-a 0 8)"
same "and says so" full "$(store_field 1)"

# --- first writes: need BLOCKS, of SECTORS -----------------------------------

at=0 wrong=0 tries=0
# first NEED SECTOR SECTORS K
first()
{
	local want=OK have

	leave "$4"
	[ "$4" -ge "$1" ] || want=ENOSPC
	have=$("$BLK" errno write $dm/st-a "$2" "$3")
	tries=$((tries + 1))
	if [ "$have" = "$want" ] && [ "$(left)" = "$(($4 > $1 ? $4 - $1 : 0))" ]; then
		[ "$want" = OK ] || return 0
		"$BLK" check $dm/st-a "$2" "$3" 0 && return 0
	fi
	echo "  $3 sectors at $2 with $4 blocks: $have, $(left) left"
	wrong=$((wrong + 1))
}

for k in 0 1 2 3 4 5 6 7 8 9 10 11 12; do
	for need in 1 4 12; do
		[ "$k" -le $((need + 1)) ] || continue
		first "$need" $((at * 8)) $((need * 8)) "$k"
		at=$((at + need))
	done
done
for k in 1 15 16; do
	first 16 $((at * 8)) 128 "$k"
	at=$((at + 16))
done
for k in 0 255 256; do
	first 256 $((at * 8)) 2048 "$k"
	at=$((at + 256))
done
same "$tries first writes, up to 1 MiB, with none to enough left" 0 "$wrong"
ok "every block of them is old or new" old_or_new a 0 "$at" 0
# parts: of one block, and of two with one left
for k in 0 1 2; do
	first 1 $((at * 8 + 3)) 1 "$k"
	first 2 $(((at + 1) * 8 + 4)) 8 "$k"
	at=$((at + 3))
done
same "and of parts of blocks" 0 "$wrong"
leave 0
same "with FUA, too" "No space left on device" \
	"$("$BLK" write $dm/st-a $((at * 8)) 8 0 dsync 2>&1 | sed 's/.*: //')"
ok "f is whole" f_is_right
ok "no block is lost" adds_up

# --- commit, checkpoint, power cut -------------------------------------------

leave 12
must "$BLK" each $dm/st-a $((at * 8)) 8 16 12 2
leave_at=$at at=$((at + 24))
same "first writes take the last blocks" 0 "$(left)"
ok "they can be flushed" "$BLK" flush $dm/st-a
power_cut "after a flush with nothing left"
for ((i = 0; i < 12; i++)); do
	"$BLK" check $dm/st-a $(((leave_at + 2 * i) * 8)) 8 2 || break
done
same "what was flushed is there" 12 "$i"
ok "f is whole" f_is_right
at_most "and nothing more is left than before" 0 "$(left)"
leave 5
must "$BLK" each $dm/st-a $((at * 8)) 8 8 5 3 flush
ok "and merged" message checkpoint
ok "and loaded again" message drop_maps
ok "they are right" "$BLK" check $dm/st-a $((at * 8)) 40 3
at=$((at + 5))

# --- overwrites and discards with nothing left --------------------------------

leave 0
ok "overwrites of whole blocks" "$BLK" write $dm/st-f 80 2048 1 dsync
ok "of parts" "$BLK" write $dm/st-f 803 5 1
ok "reads of what is not loaded" message drop_maps
ok "are right" f_is_right
# in the middle of one extent: it becomes three
for ((i = 0; i < 12; i++)); do
	must "$BLK" discard $dm/st-f $(((100 + 2 * i) * 8)) 8
	"$BLK" check $dm/st-f $(((100 + 2 * i) * 8)) 8 zero || break
done
same "discards that cut extents in three" 12 "$i"
power_cut "after discards with nothing left, not flushed"
for ((i = 0; i < 12; i++)); do
	must "$BLK" write $dm/st-f $(((100 + 2 * i) * 8)) 8 1	# or an overwrite
done
ok "their blocks are written again" f_is_right
ok "nothing is lost" adds_up
leave 0
same "write-zeroes of a part needs a block" \
	"No space left on device" "$("$BLK" zeroout $dm/st-a $((at * 8 + 1)) 2 2>&1 | sed 's/.*: //')"
ok "of whole ones does not" "$BLK" zeroout $dm/st-a $((at * 8)) 16
ok "they are zeros" "$BLK" check $dm/st-a $((at * 8)) 16 zero
at=$((at + 2))

# --- messages -----------------------------------------------------------------

leave 0
refused "create is refused with none left" "no space left" message create n g 800
refused "gold_add, too" "no space left" message gold_add g2 800 00000000 -
leave 1
refused "two with one left" "no space left" message create n g 800 n2 g 800
not_ok "of which none is made" snap_line n
ok "one with one left" message create n g 800
leave 0
must dmsetup suspend st-a
refused "snapshot of a live one is refused with none left" "no space left" message snapshot a b
must dmsetup resume st-a
leave 1
must dmsetup suspend st-a
ok "and made with one left" message snapshot a b
must dmsetup resume st-a
leave 0
ok "what it held is there" old_or_new a 0 600 0
same "what was its own is not any more" ENOSPC "$("$BLK" errno write $dm/st-a $((leave_at * 8)) 8)"
ok "but is read" "$BLK" check $dm/st-a $((leave_at * 8)) 8 2
snap_up b
ok "by the new one, too" "$BLK" check $dm/st-b $((leave_at * 8)) 8 2
ok "resize" message resize n 8000
ok "set" message set n auto 1
ok "rename" message rename n n3
power_cut "after messages with one left" b
ok "f is whole" f_is_right
ok "they are there" snap_line n3
snap_down b
leave 0
must dmsetup suspend st-a
ok "rollback with none left" message rollback a b
must dmsetup resume st-a
ok "is what the other one is" "$BLK" check $dm/st-a $((leave_at * 8)) 8 2
leave 0
must message remove old
power_cut "in a removal"
ok "it goes on" wait_removed
at_least "and gives its blocks back" 60 "$(left)"
ok "no block is lost" adds_up
leave 0
must dmsetup suspend st-a
ok "refresh with none left" message refresh a
must dmsetup resume st-a
ok "it is the gold image" "$BLK" check $dm/st-a 0 16384 gold
ok "ancestors can be removed" message remove b n3
ok "and go" wait_removed
at_least "with all they had" 500 "$(left)"
ok "no block is lost" adds_up

# --- whatever comes, at the edge ------------------------------------------------

leave 40
"$MODEL" run $dm/st-a --model "$tmp/a" --gold-sectors "$gold_sectors" --threads 2 --seconds 4 \
	--no-space > "$tmp/run.out" 2>&1 &
model=$!
for ((i = 0; i < 40; i++)); do
	kill -0 "$model" 2> /dev/null || break
	f_end=$((f_end - 2))
	must "$BLK" discard $dm/st-f $((f_end * 8)) 16
	sleep 0.1
done
ok "the model at the edge, $i times given two blocks" wait "$model"
cat "$tmp/run.out"
must message commit
power_cut "behind the model"
ok "f is whole" f_is_right
ok "it is right" "$MODEL" verify $dm/st-a --model "$tmp/a"

ok "no block is lost" adds_up
finish
