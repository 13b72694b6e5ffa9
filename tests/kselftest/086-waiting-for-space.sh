#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# First writes that wait for space: each kind is woken by discards, by removals
# and by a store that grows, or ends with no-space when its time is up, when the
# policy changes or when its snapshot is suspended with a flush. Nobody else is held
# up meanwhile. At last discards that free nothing make the trees as large as they
# may become, and wait in their turn.
. "$(dirname "$0")/lib.sh"
needs

# park COMMAND...: its request, to the device that is its third word, has to wait
park()
{
	"$@" > "$tmp/parked" 2>&1 &
	parked=$!
	under_way "${3##*/st-}" 1
	sleep 0.4
	kill -0 "$parked" 2> /dev/null || verdict 1 "it waits: ${*:2}"
}

# Ends within so many seconds.
ends_within()
{
	local i

	for ((i = 0; i < $1 * 10; i++)); do
		kill -0 "$parked" 2> /dev/null || break
		sleep 0.1
	done
	[ "$i" -lt $(($1 * 10)) ] || { verdict 1 "it ends within $1 s"; return 1; }
	wait "$parked"
}

no_space()
{
	! ends_within "$1" && grep -q 'No space left on device' "$tmp/parked"
}

new_gold 16M
disk=$(scratch 0 64M) || exit 1
wipe "$disk"
low=$dm/low
must dmsetup create low --table "0 $(to_sectors 8M) linear $disk 0"
new_store 8M 1M
store_up error_if_no_space
gold_add
snap_new a
snap_new f
snap_new z $((4 << 21))
snap_up a f
for i in 1 2 3; do
	snap_new "old$i"
	snap_up "old$i"
	must "$BLK" each "$dm/st-old$i" 0 8 8 40 9
	snap_down "old$i"
done
fill_f
leave 0
policy queue_if_no_space no_space_timeout 60

# --- what wakes them ------------------------------------------------------------

wake_by()
{
	case $1 in
	discard)
		f_end=$((f_end - 20))
		must "$BLK" discard $dm/st-f $((f_end * 8)) 160
		;;
	remove)
		removed=$((removed + 1))
		must message remove "old$removed"
		;;
	grow)
		size=$((size + 80))
		length "${size}K"
		must message grow
		;;
	esac
}

at=0 removed=0 size=8192
for waker in discard remove grow; do
	for kind in block run few part fua zeros; do
		# of those that one waker has woken, each other one wakes the half
		case $waker:$kind in
		remove:block | remove:run | remove:zeros | grow:part | grow:fua | grow:few) continue ;;
		esac
		leave "$([ $kind = few ] && echo 8 || echo 0)"
		case $kind in
		block) args="write $dm/st-a $((at * 8)) 8 2" ;;
		run | few) args="write $dm/st-a $((at * 8)) 128 2" ;;
		part) args="write $dm/st-a $((at * 8 + 3)) 4 2" ;;
		fua) args="write $dm/st-a $((at * 8)) 8 2 dsync" ;;
		zeros) args="zeroout $dm/st-a $((at * 8 + 1)) 2" ;;
		esac
		# shellcheck disable=SC2086 # words
		park "$BLK" $args
		wake_by "$waker"
		ok "$kind, woken by $waker" ends_within 30
		case $kind in
		block | fua) ok "it is there" "$BLK" check $dm/st-a $((at * 8)) 8 2 ;;
		run | few) ok "all of it" "$BLK" check $dm/st-a $((at * 8)) 128 2 ;;
		part) ok "it alone" "$BLK" check $dm/st-a $((at * 8 + 3)) 4 2 ;;
		zeros) ok "zeros" "$BLK" check $dm/st-a $((at * 8 + 1)) 2 zero ;;
		esac
		at=$((at + 16))
	done
done
ok "around a part is the gold image" "$BLK" check $dm/st-a $((48 * 8)) 3 gold
ok "behind it, too" "$BLK" check $dm/st-a $((48 * 8 + 7)) 9 gold
wait_removed
ok "no block is lost" adds_up

# --- nobody else is held up -------------------------------------------------------

leave 0
park "$BLK" write $dm/st-a $((at * 8)) 128 2
ok "reads go on" "$BLK" check $dm/st-a 0 8 2
ok "overwrites" "$BLK" write $dm/st-a 0 8 2 dsync
ok "flushes of the same snapshot" "$BLK" flush $dm/st-a
ok "checkpoints" message checkpoint
not_ok "create is refused" message create n g 800
ok "suspending without a flush" timeout 20 dmsetup suspend --noflush st-a
ok "refresh of another one" message refresh z
must dmsetup resume st-a
why=$("$SOSNAP" snapshot st/a st/n 2>&1)
same "the tool suspends nothing for a snapshot that is not to be had" 1 $?
ok "and says why" grep -q "no space left" <<< "$why"
image=$(scratch 1 64M) || exit 1
crash_image "$image"
ok "and it waits on" kill -0 "$parked"
wake_by discard
ok "to the end" ends_within 30
ok "all is written" "$BLK" check $dm/st-a $((at * 8)) 128 2
crash_to "$image"
store_up queue_if_no_space no_space_timeout 60
snap_up a f
ok "a power cut while it waited" old_or_new a "$at" 16 2
f_end=$((f_end + 20))
ok "leaves f whole" "$BLK" check $dm/st-f 0 $((f_end * 8)) 1
at=$((at + 16))

# --- ends without space -----------------------------------------------------------

leave 0
policy queue_if_no_space no_space_timeout 3
start=${EPOCHREALTIME/./}
park "$BLK" write $dm/st-a $((at * 8)) 8 3
ok "a write whose time is up ends with no-space" no_space 20
at_least "not before" 3000000 $((${EPOCHREALTIME/./} - start))
policy queue_if_no_space no_space_timeout 0
park "$BLK" write $dm/st-a $((at * 8)) 8 3
policy error_if_no_space
ok "so does one when the policy changes" no_space 10
policy queue_if_no_space no_space_timeout 0
park "$BLK" write $dm/st-a $((at * 8)) 8 3
policy queue_if_no_space no_space_timeout 1
ok "or its time" no_space 20
policy queue_if_no_space no_space_timeout 0
park "$BLK" write $dm/st-a $((at * 8)) 8 3
ok "a suspend that flushes does not wait for space" timeout 20 dmsetup suspend st-a
must dmsetup resume st-a
ok "the write that did ends with no-space" no_space 10
ok "its block is what it was" "$BLK" check $dm/st-a $((at * 8)) 8 gold
ok "no block is lost" adds_up

# --- discards that free nothing ---------------------------------------------------

# They make the trees larger for nothing: so they may run into the end, and the
# store has to be as usable as before.
policy error_if_no_space
leave 0
snap_up z
useless=$("$BLK" discards $dm/st-z 40960 8 16 20000 until-full) || die "$useless"
echo "# $useless discards of blocks that nobody owns"
at_least "discards that free nothing go on for a while" 500 "$useless"
same "then they fail with no-space" ENOSPC "$("$BLK" errno discard $dm/st-z 4096000 8)"
same "the store is full, and nothing worse" full "$(store_field 1)"
ok "again where they were they cost nothing" "$BLK" discards $dm/st-z 40960 8 16 100
policy queue_if_no_space no_space_timeout 60
park "$BLK" discard $dm/st-z 4096000 8
ok "those that free something go on" "$BLK" discards $dm/st-f 800 8 16 200
ok "others go on behind them" ends_within 30
# or a power cut forgets some of them
must "$BLK" flush $dm/st-f
image=$disk
other=$(scratch 0 64M)
[ "$other" != "$image" ] || other=$(scratch 1 64M)
crash_image "$other"
crash_to "$other"
ok "a power cut with trees as large as can be" crash_check
store_up queue_if_no_space no_space_timeout 60
snap_up a f z
ok "what was discarded is zeros" "$BLK" check $dm/st-z 40960 8000 zero
# half of what was given back: the trees have become larger
must "$BLK" each $dm/st-f 800 8 16 100 1
ok "f is whole" "$BLK" check $dm/st-f 0 2400 1
ok "to its end" "$BLK" check $dm/st-f 4000 $((f_end * 8 - 4000)) 1
ok "no block is lost" adds_up
snap_down z
must message remove z
ok "a removal gives all of it back" wait_removed
ok "first writes go on" "$BLK" write $dm/st-a $((at * 8)) 8 3
finish
