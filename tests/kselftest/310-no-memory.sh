#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 900
#
# Allocations that fail, one after the other, in every call that comes from
# outside: loading the module, activating store and snapshot, messages, suspending,
# reading and writing. Each ends in a clean error or in success, and the next one
# without a fault succeeds. Then a tenth of all allocations that the module causes
# fails, in its workers too, while a model runs: no guest notices.
#
# Needs a kernel with fault injection: scripts/build-debug-kernel kasan.
. "$(dirname "$0")/lib.sh"
needs
NOMEM=$SOSNAP_TOP/build/tests/nomem
debugfs=/sys/kernel/debug
if [ ! -w /proc/thread-self/fail-nth ] || [ ! -d $debugfs/failslab ] ||
	[ ! -d $debugfs/fail_page_alloc ]; then
	skip "this kernel has no fault injection"
fi

fault_set() # FILE VALUE
{
	for dir in failslab fail_page_alloc; do
		[ ! -e "$debugfs/$dir/$1" ] || echo "$2" > "$debugfs/$dir/$1"
	done
}

# Which allocations can fail at all: those that may wait, too.
fault_set probability 0
fault_set ignore-gfp-wait N
fault_set verbose 0
echo N > $debugfs/fail_page_alloc/ignore-gfp-highmem
echo 0 > $debugfs/fail_page_alloc/min-order
trap 'fault_set probability 0; cleanup' EXIT

# each [-n] [-a] [-l N] TEXT UNDO CALL...: every allocation of the call, or of the last N,
# fails once; -n: it has none
each()
{
	local text faults none='' always=()

	[ "$1" != -n ] || { none=yes; shift; }
	[ "$1" != -a ] || { always=(-a); shift; }
	[ "$1" != -l ] || { always+=(-l "$2"); shift 2; }
	text=$1
	shift
	ok "$text" "$NOMEM" "${always[@]}" "$@"
	faults=$(tail -n 1 "$tmp/ok.out")	# behind what UNDO has said
	echo "# faults, of which it survived, errors: $faults"
	if [ -n "$none" ]; then
		same "... allocates nothing" 0 "${faults%% *}"
	else
		at_least "... with faults" 1 "${faults%% *}"
	fi
}

# no_leaks TEXT: what the kernel itself loses when it has no memory is not ours to
# report (names of kernel objects, when it makes a cache); what has one of our
# functions in its trace is, also of a module unloaded
no_leaks()
{
	local leaks=$debugfs/kmemleak

	[ -w $leaks ] || return 0
	echo scan > $leaks
	sleep 6
	echo scan > $leaks
	awk '/^unreferenced/ { if (!known) printf "%s", t; t = ""; known = 0 }
		/ sysfs_slab_add\+0x/ { known = 1 }
		{ t = t $0 "\n" }
		END { if (!known) printf "%s", t }' $leaks > "$tmp/leaks"
	echo "# $(grep -c '^unreferenced' "$tmp/leaks") unreferenced objects, ours or not"
	# whose they are: who made them, from the allocator outwards
	awk '/^unreferenced/ { if (t != "") print t; t = "#"; n = 0 }
		/^ *comm/ { t = t " " $2 }
		/\+0x/ && n++ < 8 { f = $0; sub(/\+0x.*/, "", f); sub(/.*[] ]/, "", f); t = t " " f }
		END { if (t != "") print t }' "$tmp/leaks" | sort | uniq -c
	not_ok "$1: nothing of ours has leaked" grep -qE 'sosnap|0xffffffffa0' "$tmp/leaks" ||
		head -n 100 "$tmp/leaks"
	echo clear > $leaks
}

# --- the module --------------------------------------------------------------------

module=${SOSNAP_MODULE:-$SOSNAP_TOP/build/$(uname -r)/dm-sosnap.ko}
if [ -r "$module" ]; then
	must rmmod dm_sosnap
	# before those of the module's own there are hundreds for its sections and events
	each -l 160 "loading the module" "rmmod dm_sosnap" module "$module"
	must insmod "$module"
	no_leaks "module"
fi

# --- a store whose journal has something to replay ---------------------------------

setup 8M 12M
size=$(sectors_of "$low")
for name in a b; do
	snap_new "$name" 1048576 > /dev/null
	snap_up "$name"
	must "$BLK" each "$dm/st-$name" 0 8 16 200 1 dsync
	must "$BLK" each "$dm/st-$name" 8 8 1024 20 2 flush
done
image=$(scratch 1 512M)	# there is a part that grows the store
crash_image "$image"
crash_to "$image"

# For the next try, the image as it was: the superblocks and what is before the second
# one have the bitmaps and summaries, too; new nodes go where nothing is.
spare=$(new_loop 2M)
must dd if="$image" of="$spare" bs=1028K count=1 oflag=direct status=none
must dmsetup create st --notable
each -a "activating a store that was not closed" \
	"@clear st; copy $spare $image" \
	table st "$size" sosnap-store "$low"
must dmsetup remove st
store_up low_water 100
must dmsetup create st-a --notable
table=$(snap_table a)
each -a "activating a snapshot" "@clear st-a" \
	table st-a "$(echo "$table" | cut -d' ' -f2)" sosnap "$(echo "$table" | cut -d' ' -f4-)"
must dmsetup remove st-a
snap_up a
ok "what was durable is there" "$BLK" check $dm/st-a 0 8 1
ok "all of it" "$BLK" check $dm/st-a 8 8 2

# --- messages ----------------------------------------------------------------------

msg="dmsetup message st 0"
undo="@message st"
each "create" "$undo remove x" message st "create x g 8"
each "create of several" "$undo remove x y z" message st "create x g 8 y g 16 z g 24"
must message create x g 8
each "remove" "$undo create x g 8" message st "remove x"
message create x g 8 2> /dev/null
each "rename" "$undo rename y x" message st "rename x y"
each "set" "$undo set x auto 1" message st "set x auto 0"
each "snapshot" "$undo remove y" message st "snapshot x y"
must message create y g 8
each "rollback" @ message st "rollback x y"
each "refresh" @ message st "refresh x"
must message remove y
each "resize" "$undo resize x 8" message st "resize x 65536"
cat > "$tmp/larger" <<- END
	sectors=\$((\$(blockdev --getsz $low) + 2048))
	dmsetup load low --table "0 \$sectors linear $disk 0" && dmsetup resume low
END
must bash "$tmp/larger"
each "grow" "bash $tmp/larger" message st grow
each "gold_add" "$undo gold_remove h" message st "gold_add h 8 00000000 -"
must message gold_add h 8 00000000 -
each "gold_remove" "$undo gold_add h 8 00000000 -" message st "gold_remove h"
each "list" @ message st "list snapshot"
each "show" @ message st "show a"
each "stats" @ message st stats
write="$BLK each $dm/st-a 1600 8 24 4 3"
each "commit" "$write" message st commit
each "checkpoint" "$write; $BLK discard $dm/st-a 1600 64" message st checkpoint
each "drop_maps" @ message st drop_maps
# each time there is a snapshot to be removed, and one to be merged into another
cat > "$tmp/removed" <<- END
	set -e
	$msg create v g 65536
	dmsetup create st-v --table "0 65536 sosnap $dm/st \$($msg show v | cut -d' ' -f1) $gold"
	$BLK each $dm/st-v 0 8 16 6 7
	dmsetup remove st-v
	$msg snapshot v w
	$msg remove v
END
must bash "$tmp/removed"
each -a "checkpoint with a removal and a merge" \
	"$msg checkpoint && $msg remove w && bash $tmp/removed" message st checkpoint
must message remove w

# --- suspending, reading, writing ----------------------------------------------------

each -n "suspending a snapshot" "dmsetup resume st-a" suspend st-a
each -n "resuming it" "dmsetup suspend st-a" resume st-a
must dmsetup resume st-a
each "suspending the store" "dmsetup resume st" suspend st
must dmsetup resume st
same "the store has not failed" rw "$(store_field 1)"
each "a read of a map that is not loaded" @ read $dm/st-a 24576 8 512
each "a first write" @ write $dm/st-a 24576 8 512
each "a write of part of a block" @ write $dm/st-a 24593 1 512
each "of more than a window" @ write $dm/st-a 32768 768 1024
each "an overwrite" @ write $dm/st-a 0 8 0
each "a first write with FUA" @ dsync $dm/st-a 40960 8 24
each "a discard" @ discard $dm/st-a 32768 16 24
each "a discard of part of a block" @ discard $dm/st-a 49153 1 16
each "of much that is not loaded" @ discard $dm/st-a 262144 1024 1024
each "a read of many blocks" @ read $dm/st-a 0 128 0
must message drop_maps
snap_up b
ok "a neighbour is what it was" "$BLK" check $dm/st-b 0 8 1
snap_down a
message remove x 2> /dev/null
must message remove a
ok "a removal ends" wait_removed
store_down
ok "the store is clean" store_check
no_leaks "calls"

# --- in the workers ----------------------------------------------------------------

if [ ! -e $debugfs/failslab/require-start ]; then
	echo "# this kernel cannot tell who allocates"
	finish
fi
store_up
snap_new m
snap_up m
# what is to be removed, and merged into what was made of it
for ((i = 1; i <= 8; i++)); do
	snap_new "r$i" 65536 > /dev/null
	snap_up "r$i"
	must "$BLK" each "$dm/st-r$i" 0 8 16 60 "$i"
	snap_down "r$i"
	[ $((i % 2)) = 0 ] || must message snapshot "r$i" "s$i"
done
text=$(cat /sys/module/dm_sosnap/sections/.text)
bytes=$(awk '$1 == "dm_sosnap" { print $2 }' /proc/modules)
fault_set require-start "$text"
fault_set require-end "$(printf '0x%x' $((text + bytes)))"
fault_set stacktrace-depth 32
fault_set times 1000000
fault_set probability 10
(
	n=0
	while sleep 0.2; do
		n=$((n + 1))
		message checkpoint
		message drop_maps
		message create "x$n" g 8
		message remove "x$((n - 1))"
		[ "$n" -gt 8 ] || message remove "r$n"
		message commit
	done
) > /dev/null 2>&1 &
stress=$!
had()	# how many allocations have failed
{
	echo $((1000000 - $(< $debugfs/failslab/times)))
}
for ((i = 0; i < 8 && $(had) < 100; i++)); do
	ok "no guest notices" "$MODEL" run $dm/st-m --model "$tmp/m" --gold-sectors "$gold_sectors" \
		--threads 4 --ops 60
	cat "$tmp/ok.out"
done
kill "$stress"
wait "$stress" 2> /dev/null
same "the store has not failed" rw "$(store_field 1)"
checkpoint_tried()
{
	local i

	# the message itself may find no memory, and says so
	for ((i = 0; i < 20; i++)); do
		! message checkpoint || return 0
	done
	return 1
}
ok "a checkpoint goes through" checkpoint_tried
fault_set probability 0
at_least "faults" 100 "$(had)"
echo "# and of pages: $((1000000 - $(< $debugfs/fail_page_alloc/times)))"
fault_set times -1
for ((i = 1; i <= 8; i++)); do
	! message show "r$i" > /dev/null 2>&1 || must message remove "r$i"
done
must message drop_maps
ok "everything is as the model says" "$MODEL" verify $dm/st-m --model "$tmp/m"
for name in $(message list snapshot | awk '$2 ~ /^x/ { print $2 }'); do
	must message remove "$name"
done
ok "removals end" wait_removed
for ((i = 1; i <= 8; i += 2)); do
	snap_up "s$i"
	ok "what r$i was is all there" "$BLK" check "$dm/st-s$i" $((59 * 16)) 8 "$i"
	same "and is s$i's alone" "60 0" "$(snap_field "s$i" 4) $(message show "s$i" | cut -d' ' -f12)"
	snap_down "s$i"
done
store_down
ok "the store is clean" store_check
no_leaks "workers"
finish
