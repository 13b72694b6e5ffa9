#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# A reservation: in a store that others have filled, a snapshot still gets all its
# blocks, wherever they lie in it, whatever runs beside it and over crashes; and
# nobody else gets one of them, also while it is not active.
. "$(dirname "$0")/lib.sh"
needs

new_gold 32M
new_store 24M 1M
store_up error_if_no_space
gold_add
for name in r s x; do
	snap_new $name
done
snap_up r s x
image=$(scratch 1 24M)
blocks=1000

owned()
{
	snap_line "$1" | awk '{ print $5 }'
}

kept()
{
	store_field 19
}

# keep LACKS [RESERVATION]: what others leave, with the metadata
keep()
{
	local all=${2:-$blocks}

	echo $(($1 + (all ? all / 16 + 64 : 0)))
}

# x takes all there is; $1: at least so many
x_at=0
fill_x()
{
	local more=1 i sum=0

	for ((i = 0; i < 30 && more > 0; i++)); do
		must message checkpoint
		more=$("$BLK" each $dm/st-x $((x_at * 8)) 8 8 $((8192 - x_at)) 1 until-full) || die "$more"
		x_at=$((x_at + more)) sum=$((sum + more))
	done
	at_least "$1: others get all else" "$2" "$sum"
	same "$1: and nothing more" "ENOSPC ENOSPC" \
		"$("$BLK" errno write $dm/st-x $((x_at * 8)) 8) $("$BLK" errno write $dm/st-x $((x_at * 8 + 1)) 1)"
}

empty_x()
{
	must "$BLK" discard $dm/st-x 0 "$gold_sectors"
	x_at=0
	must message checkpoint
}

empty()
{
	must "$BLK" discard "$dm/st-$1" 0 "$gold_sectors"
	must message checkpoint
}

# While a case runs: x tries to get blocks and asks for metadata, checkpoints run.
beside()
{
	while [ -e "$tmp/beside" ]; do
		"$BLK" each $dm/st-x $((x_at * 8)) 8 8 8 1 until-full
		"$BLK" write $dm/st-x 0 8 1
		# of gold: costs metadata, and frees nothing
		"$BLK" discard $dm/st-s $((RANDOM % 4000 * 16)) 8
		message checkpoint
	done > "$tmp/beside.out" 2>&1
}

# --- what is refused -----------------------------------------------------------------

refused "it is a number" "not a decimal number" message set r reservation 1M
refused "of blocks that can be" "impossible reservation" message set r reservation 999999999999999
refused "and that are there" "not enough space to keep" message set r reservation 20000
same "which keeps none" 0 "$(kept)"
must dmsetup suspend --noflush --nolockfs st-s
must message set s quota 100
must dmsetup resume st-s
refused "no more than the quota" "more than its quota" message set s reservation 101
ok "it may be the quota" message set s reservation 100
refused "which cannot become less" "less than its reservation" message set s quota 99
must message set s reservation 0
must message set s quota 0
same "none is none" 0 "$(kept)"

# --- the last blocks ---------------------------------------------------------------------

ok "it can be set while the snapshot is in use" message set r reservation $blocks
same "status says so" $blocks "$(snap_field r 8)"
same "as does its line" $blocks "$(snap_line r | awk '{ print $16 }')"
same "the store keeps so many, and their metadata" "$(keep $blocks)" "$(kept)"
fill_x full 2000
same "what is kept is what it was" "$(keep $blocks)" "$(kept)"
touch "$tmp/beside"
beside &
pid=$!
# every second block from the front, from the back all, of parts of blocks too
"$BLK" each $dm/st-r 0 8 16 $((blocks / 2)) 2 flush > "$tmp/w1" 2>&1 &
w1=$!
"$BLK" each $dm/st-r 40000 3 8 $((blocks / 4)) 2 > "$tmp/w2" 2>&1 &
w2=$!
"$BLK" each $dm/st-r 50000 80 80 $((blocks / 40)) 2 > "$tmp/w3" 2>&1 &
w3=$!
ok "it gets its blocks" wait $w1
ok "of parts, too" wait $w2
ok "and in runs" wait $w3
rm "$tmp/beside"
wait $pid
cat "$tmp"/w?
same "all of them" $blocks "$(owned r)"
same "then none are kept but for metadata" "$(keep 0)" "$(kept)"
ok "what it wrote is there" "$BLK" check $dm/st-r 50000 $((blocks * 8 / 4)) 2
ok "and what others wrote" "$BLK" check $dm/st-x 0 $((x_at * 8)) 1
ok "the store has not failed" test "$(store_field 1)" != failed
ok "and adds up" adds_up

# --- what it gives up is kept again ------------------------------------------------------------

must "$BLK" discard $dm/st-r 50000 $((blocks * 8 / 4))
same "what it discards is kept for it" "$(keep $((blocks / 4)))" "$(kept)"
same "and nobody else's" ENOSPC "$("$BLK" errno write $dm/st-x $((x_at * 8)) 64)"
ok "so it finds it again" "$BLK" each $dm/st-r 50000 8 8 $((blocks / 4)) 3
same "to the last block" "$blocks $(keep 0)" "$(owned r) $(kept)"
must message checkpoint
must message drop_maps
must "$BLK" discard $dm/st-r 0 $((blocks * 8))
must message checkpoint
same "also what the map knew nothing of" "$(keep $((blocks / 2)))" "$(kept)"
ok "which a checkpoint counts" "$BLK" each $dm/st-r 0 8 8 $((blocks / 2)) 4

# --- two of them ----------------------------------------------------------------------------------

empty_x
empty r
must message set s reservation 500
same "two are kept" $(($(keep $blocks) + $(keep 500 500))) "$(kept)"
fill_x two 1500
"$BLK" each $dm/st-r 0 8 24 $blocks 2 > "$tmp/w1" 2>&1 &
w1=$!
"$BLK" each $dm/st-s 0 8 40 500 3 > "$tmp/w2" 2>&1 &
w2=$!
ok "the first gets its blocks" wait $w1
ok "and the second" wait $w2
same "both have theirs" "$blocks 500 $(($(keep 0) + $(keep 0 500)))" \
	"$(owned r) $(owned s) $(kept)"
must message set s reservation 0
empty s

# --- while it is not active -----------------------------------------------------------------------

empty_x
empty r
must "$BLK" each $dm/st-r 0 8 8 250 2
snap_down r
same "an inactive one lacks the rest" "$(keep $((blocks - 250)))" "$(kept)"
fill_x inactive 2000
store_down
ok "the store is clean" store_check
store_up error_if_no_space
same "which is known at once" "$(keep $((blocks - 250)))" "$(kept)"
snap_up x
same "and kept" ENOSPC "$("$BLK" errno write $dm/st-x $((x_at * 8)) 64)"
snap_up r s
ok "for it" "$BLK" each $dm/st-r 8000 8 24 $((blocks - 250)) 2

# --- over a crash ------------------------------------------------------------------------------------

for round in 1 2 3; do
	empty_x
	empty r
	(while "$BLK" each $dm/st-r 0 8 8 700 1 && "$BLK" discard $dm/st-r 0 5600; do :; done) \
		> /dev/null 2>&1 &
	(while :; do
		"$BLK" each $dm/st-x 0 8 8 8192 1 until-full && "$BLK" discard $dm/st-x 0 20000
	done) > /dev/null 2>&1 &
	sleep "2.$round"
	crash_image "$image"
	old=$disk
	# shellcheck disable=SC2046 # numbers
	stop $(jobs -p)
	crash_to "$image"
	image=$old
	store_up error_if_no_space
	snap_up r s x
	x_at=0
	"$BLK" each $dm/st-x 0 8 8 8192 1 until-full > /dev/null || die "x"
	left=$((blocks - $(owned r)))
	same "crash $round: what it lacks is kept" "$(keep "$left")" "$(kept)"
	ok "crash $round: and it gets that" "$BLK" each $dm/st-r 24576 8 8 "$left" 1
done

# --- snapshots of it, and what makes it begin anew ---------------------------------------------------

empty_x
empty r
must "$BLK" each $dm/st-r 0 8 8 $blocks 2
fill_x lineage 2000
must "$BLK" discard $dm/st-x 0 4096
must message checkpoint
must dmsetup suspend st-r
refused "a snapshot of it would need as many again" "not enough space to keep" \
	message snapshot r r2
must dmsetup resume st-r
same "it was not taken" "" "$(snap_line r2 2> /dev/null)"
empty_x
must dmsetup suspend st-r
ok "which there are now" message snapshot r r2
must dmsetup resume st-r
same "so they are kept" "$(keep $blocks)" "$(kept)"
same "for itself alone" 0 "$(snap_line r2 | awk '{ print $16 }')"
fill_x again 500
ok "it can change all of them" "$BLK" each $dm/st-r 0 8 8 $blocks 4
empty_x
snap_up r2
must message set r2 reservation 500
must "$BLK" each $dm/st-r2 0 8 8 500 6
snap_down r2
fill_x rollback 500
must "$BLK" discard $dm/st-x 0 2048
must message checkpoint
must dmsetup suspend st-r
refused "one that others are rolled back to would need as many again" \
	"not enough space to keep" message rollback r r2
must dmsetup resume st-r
same "it was not done" "$blocks 500" "$(owned r) $(owned r2)"
ok "to no block of it" "$BLK" check $dm/st-r 0 8 4
must message set r2 reservation 0
must dmsetup suspend st-r
ok "which it does not without a reservation" message rollback r r2
must dmsetup resume st-r
ok "so it is rolled back" "$BLK" check $dm/st-r $((499 * 8)) 8 6
same "and lacks all" "$(keep $blocks)" "$(kept)"
must message remove r2
ok "the older ones go" wait_removed
must dmsetup suspend st-r
must message refresh r
must dmsetup resume st-r
same "after a refresh it lacks all" "$(keep $blocks)" "$(kept)"
ok "and waits for what it had" "$BLK" each $dm/st-r 0 8 8 $blocks 5
same "all of which it gets" "$blocks $(keep 0)" "$(owned r) $(kept)"

# --- the end of it ---------------------------------------------------------------------------------------

empty r
fill_x end 0
store_down
store_up queue_if_no_space no_space_timeout 60
snap_up r s x
"$BLK" each $dm/st-x $((x_at * 8)) 8 8 100 1 > "$tmp/waiter" 2>&1 &
waiter=$!
sleep 1
ok "who finds nothing waits" kill -0 "$waiter"
must message set r reservation 100
ok "until less is kept" wait "$waiter"
policy error_if_no_space
empty_x
must "$BLK" each $dm/st-r 0 8 8 100 1
fill_x slow 500
policy queue_if_no_space no_space_timeout 1
ok "where it writes there are zeros" "$BLK" check $dm/st-r 8000 400 zero	# and loaded
must "$BLK" discard $dm/st-r 0 400
must dmsetup suspend --noflush --nolockfs low
"$BLK" each $dm/st-r 8000 8 8 50 1 > "$tmp/waiter" 2>&1 &
waiter=$!
sleep 4
ok "what is kept is waited for, however long a checkpoint takes" kill -0 "$waiter"
must dmsetup resume low
ok "and found" wait "$waiter"
cat "$tmp/waiter"
empty_x
snap_down r
must message remove r
same "none is, once it is removed" 0 "$(kept)"
ok "the tool sets one" "$SOSNAP" set st/s reservation 512K
same "while it is in use" 128 "$(snap_field s 8)"
ok "list shows it" sh -c "'$SOSNAP' list st | grep -q '512K'"
ok "and takes it away" "$SOSNAP" set st/s reservation none
same "in full" 0 "$(kept)"
finish
