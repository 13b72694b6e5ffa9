#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# A store whose metadata was destroyed is repaired by the tool, and the module
# takes what comes of it: what survived reads as before, what is lost reads as
# gold, and both can be written. What has lost something is marked, and the tool
# activates it only when it is asked to.
. "$(dirname "$0")/lib.sh"
needs od

setup 16M 32M 1M
for name in a b c; do
	snap_new "$name"
	snap_up "$name"
	# extents of their own: every other block
	must "$BLK" each "$dm/st-$name" 0 8 16 900 "$((1 + ${#name}))"
done
store_down
must dd if="$disk" of="$tmp/good" bs=1M count=32 iflag=direct status=none

restore()
{
	store_down
	must dd if="$tmp/good" of="$disk" bs=1M count=32 oflag=direct status=none
	blockdev --flushbufs "$disk"
}

spoil() # BLOCK: overwrite a part of it
{
	must dd if=/dev/zero of="$disk" bs=1 seek=$(($1 * 4096 + 64)) count=400 conv=notrunc,fsync status=none
	blockdev --flushbufs "$disk"
}

mended() # TEXT [ARG...]: repair answers that it has
{
	local text=$1 rc=0

	shift
	"$SOSNAP" store repair "$low" --yes "$@" > "$tmp/repair.out" 2>&1 || rc=$?
	[ "$rc" = 1 ] || sed 's/^/  /' "$tmp/repair.out"
	same "$text: repair" 1 "$rc"
	ok "$text: the check finds nothing" store_check
}

number_at() # OFFSET BYTES
{
	od -An -tu"$2" -j "$1" -N "$2" "$tmp/good" | tr -d ' '
}

all_there()
{
	local name

	store_up
	snap_up a b c
	for name in a b c; do
		ok "$1: $name is as it was" "$BLK" check "$dm/st-$name" 14384 8 2
		ok "$1: and at its start" "$BLK" check "$dm/st-$name" 0 8 2
		ok "$1: $name is written" "$BLK" write "$dm/st-$name" 8 8 9 dsync
		ok "$1: and read" "$BLK" check "$dm/st-$name" 8 8 9
	done
	restore
}

store_up
refused_active()
{
	! "$SOSNAP" store repair "$low" --yes
}
ok "an active store is refused" refused_active
restore

root=$("$SOSNAP" store dump "$low" | awk '$1 == "extent" { print $2 }')
catalog=$("$SOSNAP" store dump "$low" | awk '$1 == "catalog" { print $2 }')

spoil 0
spoil 256
mended "both superblocks" --name st
all_there "both superblocks"

spoil "$root"
mended "the root of the extents"
all_there "the root of the extents"

spoil "$root"
spoil 0
spoil 256
mended "root and superblocks" --name st
all_there "root and superblocks"

for blk in 2 3 4 5; do
	spoil $blk
done
mended "bitmaps and summaries"
all_there "bitmaps and summaries"

# the first leaf that is of snapshot b alone
n=$(number_at $((root * 4096 + 56)) 4)
leaf=''
for ((i = 1; i < n; i++)); do
	at=$((root * 4096 + 64 + i * 28))
	next=$([ $((i + 1)) -lt "$n" ] && number_at $((at + 28)) 4)
	if [ -z "$leaf" ] && [ "$(number_at $at 4) $next" = '2 2' ]; then
		leaf=$(number_at $((at + 12)) 8)
		first=$(number_at $((at + 4)) 8)
	fi
done
[ -n "$leaf" ] || die "no leaf of snapshot b alone"
spoil "$leaf"
mended "a leaf"
ok "it is told whose" grep -qE "^b +2 +2 " "$tmp/repair.out"
not_ok "and that nobody else has lost anything" grep -qE "^[ac] +[13] +" "$tmp/repair.out"
store_up
snap_up a b c
ok "a is not concerned" "$BLK" check $dm/st-a 14384 8 2
ok "nor is c" "$BLK" check $dm/st-c 0 8 2
same "b is not fenced" rw "$(snap_field b 1)"
ok "b reads as gold where it has lost" "$BLK" check $dm/st-b $((first * 8)) 8 gold
ok "all of b can be read" dd if=$dm/st-b of=/dev/null bs=1M iflag=direct status=none
ok "b is written there" "$BLK" write $dm/st-b $((first * 8)) 8 7 dsync
ok "and read" "$BLK" check $dm/st-b $((first * 8)) 8 7

lossy() # TEXT NAMES: who is marked
{
	same "$1" "$2" "$(message list lossy | xargs)"
}

lossy "b is marked" b
must message set a auto 1
must message set b auto 1
snap_down a b c
store_down
at_boot()
{
	"$SOSNAP" store activate "$low" --auto > "$tmp/boot.out" 2>&1
}
ok "at boot" at_boot
same "b is left out" 1 "$(grep -c 'st/b is left out: it lost data' "$tmp/boot.out")"
ok "a is there" test -b $dm/st-a
not_ok "b is not" test -b $dm/st-b
refused_lossy()
{
	! "$SOSNAP" activate st/b > "$tmp/refused.out" 2>&1 &&
		[ "$(wc -l < "$tmp/refused.out")" = 1 ] &&
		grep -q "accept that by 'sosnap set st/b lossy off'" "$tmp/refused.out"
}
ok "b is refused, and it is said why" refused_lossy
same "the list shows it" 1 "$("$SOSNAP" list st --json | grep -c '"lossy": true')"
ok "what is left can be seen" "$SOSNAP" activate st/b --lossy
ok "and read" "$BLK" check $dm/st-b $((first * 8)) 8 7
must "$SOSNAP" deactivate st/b
must message snapshot b b2
must message snapshot c c2
lossy "a snapshot of it is marked, one of another is not" "b b2"
ok "it is accepted" "$SOSNAP" set st/b lossy off
lossy "for this one" b2
ok "b is activated" "$SOSNAP" activate st/b
must "$SOSNAP" deactivate st/b
must message refresh b2
lossy "who looks like the gold image lacks nothing" ""
restore

spoil "$catalog"
"$SOSNAP" store repair "$low" --yes > "$tmp/repair.out" 2>&1
ok "the catalogue: the check finds nothing" store_check
restore
finish
