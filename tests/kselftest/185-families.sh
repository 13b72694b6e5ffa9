#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Random families of snapshots: the model writes to some of them while others are
# taken, removed, refreshed and rolled back, and maps, devices and the store come
# and go. Each snapshot has a model of its own, copied when it is taken; all have
# to hold what theirs says, after a power cut too.
#
# FAMILY_ROUNDS=N  more of them; SOSNAP_SEED=N  others
. "$(dirname "$0")/lib.sh"
needs

rounds=${FAMILY_ROUNDS:-14}
seed=${SOSNAP_SEED:-23954}
RANDOM=$((seed % 32768))
echo "# SOSNAP_SEED=$seed"
names=() next=1

setup 8M 96M 2M
born()
{
	names+=("$1")
	snap_up "$1"
}

# A new one of the gold image.
root()
{
	snap_new "s$next"
	born "s$next"
	"$MODEL" new "$dm/st-s$next" --model "$tmp/s$next" --gold-sectors "$gold_sectors" --seed "$next"
	next=$((next + 1))
}

pick()
{
	picked=${names[RANDOM % ${#names[@]}]}
}

forget()
{
	local name left=()

	for name in "${names[@]}"; do
		[ "$name" = "$1" ] || left+=("$name")
	done
	names=("${left[@]}")
}

work()
{
	local pids=() pid i rc=0

	for ((i = 0; i < 2; i++)); do
		pick
		[ ! -e "$tmp/busy-$picked" ] || continue
		: > "$tmp/busy-$picked"
		"$MODEL" run "$dm/st-$picked" --model "$tmp/$picked" --threads 2 --ops 150 --no-space \
			> "$tmp/run.out" 2>&1 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || rc=1
	done
	rm -f "$tmp"/busy-*
	[ "$rc" = 0 ] || cat "$tmp/run.out"
	return "$rc"
}

take()
{
	local origin

	pick
	origin=$picked
	must dmsetup suspend "st-$origin"
	must message snapshot "$origin" "s$next"
	must dmsetup resume "st-$origin"
	cp "$tmp/$origin" "$tmp/s$next"
	born "s$next"
	next=$((next + 1))
}

roll()
{
	local name

	pick
	name=$picked
	pick
	[ "$name" != "$picked" ] || return 0
	must dmsetup suspend "st-$name"
	must dmsetup suspend "st-$picked"
	must message rollback "$name" "$picked"
	must dmsetup resume "st-$name"
	must dmsetup resume "st-$picked"
	cp "$tmp/$picked" "$tmp/$name"
}

refresh()
{
	pick
	must dmsetup suspend "st-$picked"
	must message refresh "$picked"
	must dmsetup resume "st-$picked"
	rm "$tmp/$picked"
	"$MODEL" new "$dm/st-$picked" --model "$tmp/$picked" --gold-sectors "$gold_sectors" --seed 1
}

drop()
{
	pick
	snap_down "$picked"
	must message remove "$picked"
	forget "$picked"
	rm "$tmp/$picked"
}

restart()
{
	store_down
	store_up error_if_no_space
	snap_up "${names[@]}"
}

power_cut()
{
	local other

	other=$(scratch 1 96M)
	[ "$other" != "$disk" ] || other=$(scratch 0 96M)
	must message commit
	crash_image "$other"
	crash_to "$other"
	store_up error_if_no_space
	snap_up "${names[@]}"
}

all_right()
{
	local name

	for name in "${names[@]}"; do
		"$MODEL" verify "$dm/st-$name" --model "$tmp/$name" || return 1
	done
}

root
root
for ((round = 1; round <= rounds; round++)); do
	ok "round $round: work on two of ${#names[@]}" work
	[ "${#names[@]}" -gt 6 ] || take
	case $((RANDOM % 8)) in
	0) take ;;
	1 | 2) [ "${#names[@]}" -lt 3 ] || drop ;;
	3) roll ;;
	4) refresh ;;
	5) must message drop_maps ;;
	6) restart ;;
	7) must message checkpoint ;;
	esac
	[ "$((round % 5))" != 0 ] || ok "after round $round" all_right
done
ok "all hold what they should" all_right
power_cut
ok "after a power cut" all_right
while [ "${#names[@]}" -gt 1 ]; do
	drop
done
ok "the last one, alone" all_right
ok "the others' space comes back" wait_removed
must message drop_maps
ok "and it still holds it" all_right
same "all data is its own" "$(snap_field "${names[0]}" 4)" "$(store_field 6)"
finish
