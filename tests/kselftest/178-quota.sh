#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# A quota: a snapshot never owns a block more, with two writers and over a crash
# at any moment; what it owns it keeps, and nobody else notices.
. "$(dirname "$0")/lib.sh"
needs

setup 16M 64M 1M
snap_new a
snap_new b
snap_up a b
image=$(scratch 1 64M)
quota=100

owned()
{
	snap_field a 4
}

# writers SECTORS STEP TIMES: two, in either half; prints how many writes found room
writers()
{
	"$BLK" each $dm/st-a "${4:-0}" "$1" "$2" "$3" 1 until-full > "$tmp/w1" &
	"$BLK" each $dm/st-a $((16384 + ${4:-0})) "$1" "$2" "$3" 1 until-full > "$tmp/w2" || return 1
	wait $! || return 1
	echo $(($(< "$tmp/w1") + $(< "$tmp/w2")))
}

empty()
{
	must "$BLK" discard $dm/st-a 0 "$gold_sectors"
	must message checkpoint
}

set_quota()
{
	must dmsetup suspend --noflush --nolockfs st-a
	must message set a quota "$1"
	must dmsetup resume st-a
}

# --- exact -----------------------------------------------------------------------

refused "an active one gets its first quota suspended" "suspend it first" \
	message set a quota $quota
refused "it is a number" "not a decimal number" message set a quota 1M
set_quota $quota
refused "of blocks that can be" "impossible quota" message set a quota 999999999999999
same "status says so" $quota "$(snap_field a 7)"
same "as does its line" $quota "$(snap_line a | awk '{ print $15 }')"
same "two writers get what there is" $quota "$(writers 8 8 200)"
same "and own it" $quota "$(owned)"
# where the one began that got more
begin=$(($(< "$tmp/w1") * 2 >= quota ? 0 : 16384))
start=$SECONDS
same "no block more" ENOSPC "$("$BLK" errno write $dm/st-a 12000 8)"
same "nor a part of one" ENOSPC "$("$BLK" errno write $dm/st-a 12001 1)"
same "nor a part of a large one" ENOSPC "$("$BLK" errno write $dm/st-a 8000 2048)"
at_most "which they hear at once, whatever the store's policy" 10 $((SECONDS - start))
same "the store has space" rw "$(store_field 1)"
ok "others take it" "$BLK" each $dm/st-b 0 64 64 100 2 flush
ok "overwrites go on" "$BLK" write $dm/st-a $begin 64 1
ok "of a sector, too" "$BLK" write $dm/st-a $((begin + 3)) 1 1
ok "and flushes" "$BLK" flush $dm/st-a
ok "what failed is gold" "$BLK" check $dm/st-a 8000 2048 gold
must message checkpoint
same "a checkpoint changes nothing" "$quota ENOSPC" \
	"$(owned) $("$BLK" errno write $dm/st-a 12000 8)"
for round in 1 2 3; do
	empty
	same "$round: nothing is owned" 0 "$(owned)"
	writers 64 64 50 $((round * 8)) > "$tmp/n" || die "writers"
	same "$round: large writes end at the block" $quota "$(owned)"
	empty
	same "$round: small ones, too" $quota "$(writers 1 8 200 $((round * 64 + 3)))"
done

# --- room again --------------------------------------------------------------------

empty
must "$BLK" each $dm/st-a 0 8 8 $quota 1
same "full" ENOSPC "$("$BLK" errno write $dm/st-a 12000 8)"
must "$BLK" discard $dm/st-a 0 80
same "ten discarded blocks are ten others" 10 "$("$BLK" each $dm/st-a 12000 8 8 20 1 until-full)"
must message checkpoint
must message drop_maps
must "$BLK" discard $dm/st-a 0 1024
same "also those of which the map knows nothing" 90 \
	"$("$BLK" each $dm/st-a 16000 8 8 200 1 until-full)"
ok "it can be raised while it is in use" message set a quota 110
same "by that much" 10 "$("$BLK" each $dm/st-a 20000 8 8 20 1 until-full)"
must message set a quota 50
same "what is more than it allows stays" 110 "$(owned)"
ok "and is right" "$BLK" check $dm/st-a 16000 720 1
same "without getting more" ENOSPC "$("$BLK" errno write $dm/st-a 12080 8)"
ok "none is none" message set a quota 0
ok "which is no bound" "$BLK" each $dm/st-a 24000 8 8 100 1
same "what a list says" 210 "$(snap_line a | awk '{ print $5 }')"

# --- writes that fail ---------------------------------------------------------------

empty
set_quota $quota
must "$BLK" each $dm/st-a 0 8 8 60 1 flush
renew a
# their windows are in memory
must "$BLK" check $dm/st-a 4096 64 zero
must "$BLK" check $dm/st-a 8000 8 zero
must dmsetup suspend --noflush --nolockfs low
must dmsetup load low --table "0 $(sectors_of "$low") error"
must dmsetup resume low
same "a write that fails" EIO "$("$BLK" errno write $dm/st-a 4096 64)"
same "in part" EIO "$("$BLK" errno write $dm/st-a 8003 1)"
must dmsetup suspend --noflush --nolockfs low
must dmsetup load low --table "0 $(sectors_of "$low") linear $disk 0"
must dmsetup resume low
same "costs no block of it" 40 "$("$BLK" each $dm/st-a 4096 8 8 200 1 until-full)"

# --- over a crash ---------------------------------------------------------------------

for round in 1 2 3; do
	empty
	(while "$BLK" each $dm/st-a 0 8 8 90 1 dsync && "$BLK" discard $dm/st-a 0 700; do :; done) \
		> /dev/null 2>&1 &
	(while "$BLK" each $dm/st-a 16384 8 16 90 1 flush && "$BLK" discard $dm/st-a 16384 1400; do :; done) \
		> /dev/null 2>&1 &
	sleep "1.$round"
	crash_image "$image"
	old=$disk
	# shellcheck disable=SC2046 # numbers
	stop $(jobs -p)
	crash_to "$image"
	image=$old
	store_up
	snap_up a
	at_most "crash $round: no more than the quota" $quota "$(owned)"
	left=$((quota - $(owned)))
	same "crash $round: the rest is there, and no more" "$left" \
		"$("$BLK" each $dm/st-a 24576 8 8 200 1 until-full)"
done
store_down
ok "the store is clean" store_check
store_up
snap_up a

# --- snapshots of it -------------------------------------------------------------------

must dmsetup suspend st-a
must message snapshot a a2
must dmsetup resume st-a
same "a snapshot of it lets it begin anew" $quota "$(writers 8 8 200)"
same "and has none itself" 0 "$(snap_line a2 | awk '{ print $15 }')"
must message remove a2
wait_removed
at_least "once that is removed it has more than it may" $((quota + 1)) "$(owned)"
same "so it gets nothing" ENOSPC "$("$BLK" errno write $dm/st-a 12000 8)"
ok "and keeps all" "$BLK" check $dm/st-a 0 $(($(< "$tmp/w1") * 8)) 1
must "$BLK" discard $dm/st-a 0 "$gold_sectors"
same "until it is less" $quota "$(writers 8 8 200)"
must dmsetup suspend st-a
must message refresh a
must dmsetup resume st-a
same "a refresh begins anew, too" "0 $quota" "$(owned) $(writers 8 8 200)"

# --- by the tool ------------------------------------------------------------------------

snap_up b
ok "the tool sets one" "$SOSNAP" set st/b quota 512K
same "while it is in use" "128 rw" "$(snap_field b 7) $(snap_field b 1)"
ok "list shows it" sh -c "'$SOSNAP' list st | grep -q '512K'"
ok "and takes it away" "$SOSNAP" set st/b quota none
same "in full" 0 "$(snap_field b 7)"
finish
