#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Snapshots of snapshots, refresh and rollback: what each of them holds, what it
# costs, what gives its space back, that a live origin has to be suspended, and
# that a group is taken at one point in time.
. "$(dirname "$0")/lib.sh"
needs

# frozen NAME COMMAND...: while it is suspended
frozen()
{
	local name=$1 rc=0

	shift
	must dmsetup suspend "st-$name"
	"$@" || rc=1
	must dmsetup resume "st-$name"
	return "$rc"
}

holds()
{
	ok "$1 holds $4 at $2" "$BLK" check "$dm/st-$1" $(($2 * 8)) $(($3 * 8)) "$4"
}

ancestors()
{
	# shellcheck disable=SC2046 # words
	set -- $(snap_line "$1")
	echo "${12}"
}

setup 8M 64M
snap_new a
snap_up a
must "$BLK" write $dm/st-a 0 64 11	# 8 blocks, one window
must "$BLK" write $dm/st-a 1600 8 12	# block 200
must "$BLK" discard $dm/st-a 2400 80	# blocks 300-309

refused "a live origin" "suspend it first" message snapshot a b
refused "one that does not exist" "does not exist" message snapshot x b
refused "a name that is taken" "exists already" frozen a message snapshot a a
refused "half a pair" "wanted" message snapshot a b a
ok "a snapshot of a suspended snapshot" frozen a message snapshot a b
same "which takes one more object each" "1 1" "$(ancestors a) $(ancestors b)"
same "and says what it was taken of" a "$(snap_line b | awk '{ print $11 }')"
snap_up b
for name in a b; do
	holds $name 0 8 11
	holds $name 200 1 12
	holds $name 300 10 zero
	holds $name 8 50 gold
done

# each goes its own way, over whole blocks and parts of blocks, and zeros
must "$BLK" write $dm/st-a 8 16 21	# blocks 1, 2
must "$BLK" write $dm/st-b 24 9 22	# block 3 and a sector of 4
must "$BLK" write $dm/st-b 2400 8 23	# block 300
must "$BLK" discard $dm/st-b 1600 8	# block 200
must "$BLK" flush $dm/st-b
look()
{
	holds a 1 2 21
	holds a 3 5 11
	holds a 200 1 12
	holds a 300 10 zero
	holds b 0 3 11
	ok "b holds its sector of block 4" "$BLK" check $dm/st-b 24 9 22
	ok "and the rest of it" "$BLK" check $dm/st-b 33 7 11
	holds b 300 1 23
	holds b 301 9 zero
	holds b 200 1 zero
}
look
must message checkpoint
must message drop_maps
look
snap_down a b
store_down
store_up
snap_up a b
look

# a first write over what an ancestor has costs what any does (the linear device below
# the store makes two operations of a commit: a flush, which has no sectors, and the write)
snap_new w
snap_up w
for i in 0 1 2; do
	must "$BLK" write $dm/st-w ${i}000 128 81
done
must dmsetup suspend st-w
must message snapshot w w2
must dmsetup resume st-w
counted "4 first writes over inherited blocks, then a flush: 5 writes, no read" \
	"0 0 6 40 0 1, 0 0 0 0 0 0" "$BLK" each $dm/st-w %000 8 8 4 82 flush
snap_up w2
ok "which w2 does not see" "$BLK" check $dm/st-w2 0 128 81
snap_down w w2
must message remove w w2

# a middle one goes: its blocks become those of the ones that are left
must dmsetup suspend st-b
ok "a third generation" message snapshot b c
must dmsetup resume st-b
snap_up c
must "$BLK" write $dm/st-c 40 8 31	# block 5
same "c has three ancestors' changes below it" 2 "$(ancestors c)"
snap_down b
ok "remove the middle one while the others are in use" message remove b
look_c()
{
	holds c 0 3 11
	holds c 5 1 31
	holds c 6 2 11
	holds c 300 1 23
	holds c 200 1 zero
	ok "c holds the sector of block 4" "$BLK" check $dm/st-c 24 9 22
}
look_c
ok "its space comes back" wait_removed
same "and its object is merged into c's" 1 "$(ancestors c)"
look_c
must message drop_maps
look_c
must "$BLK" write $dm/st-c 0 64 32
holds c 0 8 32
holds a 1 2 21

# refresh: attached, and at once
must dmsetup suspend st-c
refused "of one that does not exist" "does not exist" message refresh x
ok "refresh" message refresh c
must dmsetup resume st-c
ok "it looks like gold again" cmp $dm/st-c "$gold"
same "has no changes" 0 "$(snap_field c 4)"
same "and no ancestors" 0 "$(ancestors c)"
must "$BLK" write $dm/st-c 0 8 33
holds c 0 1 33
holds a 1 2 21
ok "the space of its changes comes back" wait_removed

# rollback
must dmsetup suspend st-a
ok "keep what a is" message snapshot a kept
must dmsetup resume st-a
must "$BLK" write $dm/st-a 0 64 41
must "$BLK" write $dm/st-a 800 8 42
refused "rollback of a live one" "suspend it first" message rollback a kept
refused "to itself" "itself" frozen a message rollback a a
ok "rollback" frozen a message rollback a kept
holds a 1 2 21
holds a 100 1 gold
must "$BLK" write $dm/st-a 800 8 43
snap_up kept
holds kept 1 2 21
holds kept 100 1 gold
snap_down kept
ok "the space of what was undone comes back" wait_removed

# any number of snapshots of one that nothing is written to cost no depth
snap_new template
snap_up template
must "$BLK" write $dm/st-template 0 80 51
for i in 1 2 3 4 5; do
	must dmsetup suspend st-template
	must message snapshot template "t$i"
	must dmsetup resume st-template
	must message checkpoint
done
same "five of the template" "1 1 1" "$(ancestors template) $(ancestors t1) $(ancestors t5)"
snap_up t1 t5
holds t1 0 10 51
holds t5 0 10 51

# a group at one point in time: each block goes to a first, then to c
snap_down c
must message remove c
snap_new c
snap_up c
(
	for ((i = 0; i < 150; i++)); do
		"$BLK" write $dm/st-t1 $((i * 8)) 8 61 || exit 1
		"$BLK" write $dm/st-c $((i * 8)) 8 61 || exit 1
	done
) &
writer=$!
sleep 2
must dmsetup suspend st-t1
must dmsetup suspend st-c
ok "both in one message" message snapshot t1 g1 c g2
must dmsetup resume st-c
must dmsetup resume st-t1
ok "writers went on" wait "$writer"
snap_up g1 g2
prefix()
{
	local lo=0 hi=150 mid

	while [ "$lo" -lt "$hi" ]; do
		mid=$(((lo + hi) / 2))
		if "$BLK" check "$dm/st-$1" $((mid * 8)) 8 61 2> /dev/null; then
			lo=$((mid + 1))
		else
			hi=$mid
		fi
	done
	[ "$lo" = 0 ] || must "$BLK" check "$dm/st-$1" 0 $((lo * 8)) 61
	echo "$lo"
}
n1=$(prefix g1)
n2=$(prefix g2)
echo "  $n1 blocks of the first, $n2 of the second"
ok "in the order in which they were written" [ $((n1 - n2)) -ge 0 -a $((n1 - n2)) -le 1 ]

# ten generations, one above the other, then all but the youngest go at once
last=g2
for i in 1 2 3 4 5 6 7 8 9 10; do
	must "$BLK" write "$dm/st-$last" $((4000 + i * 8)) 8 "7$i"
	must dmsetup suspend "st-$last"
	must message snapshot "$last" "y$i"
	must dmsetup resume "st-$last"
	snap_up "y$i"
	snap_down "$last"
	last=y$i
done
deep()
{
	for i in 1 5 10; do
		ok "$last holds what generation $i wrote" "$BLK" check "$dm/st-$last" $((4000 + i * 8)) 8 "7$i"
	done
	holds "$last" 0 "$n2" 61
}
deep
must message remove g2 y1 y2 y3 y4 y5 y6 y7 y8 y9
deep
ok "all of them are merged" wait_removed
same "into one" 1 "$([ "$(ancestors y10)" -le 1 ] && echo 1)"
must message drop_maps
deep
finish
