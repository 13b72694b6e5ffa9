#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Damaged metadata: one superblock may be torn or lost; a tree node that fails
# verification fences the snapshots whose blocks it holds, and no other; blocks
# of another store in the journal are never replayed.
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
ok "the store is clean" store_check
must dd if="$disk" of="$tmp/good" bs=1M count=32 iflag=direct status=none

restore()
{
	store_down
	must dd if="$tmp/good" of="$disk" bs=1M count=32 oflag=direct status=none
}

poke() # BYTE OFFSET, COUNT: overwrite with noise
{
	must dd if=/dev/urandom of="$disk" bs=1 seek="$1" count="$2" conv=notrunc,fsync status=none
	blockdev --flushbufs "$disk"
}

works()
{
	store_up
	snap_up a b c
	ok "$1: a" "$BLK" check $dm/st-a 16 8 2
	ok "$1: c" "$BLK" check $dm/st-c 32 8 2
	must "$BLK" write $dm/st-b 64 8 7
	ok "$1: b is written" "$BLK" check $dm/st-b 64 8 7
	store_down
	ok "$1: and the store is clean again" store_check
	restore
}

second=$((256 * 4096))
poke 100 50
works "first superblock damaged"
poke $((second + 3000)) 20
works "second superblock damaged"
must dd if=/dev/zero of="$disk" bs=4096 count=1 oflag=direct status=none
works "first superblock lost"
# torn: the second half is an older one's
must dd if=/dev/zero of="$disk" bs=512 seek=$((second / 512 + 4)) count=4 oflag=direct status=none
works "second superblock torn"

poke 100 50
poke $((second + 100)) 50
refused "both damaged: refused" "" dmsetup create st --table "0 $(sectors_of "$low") sosnap-store $low"
restore

# --- a tree node ---------------------------------------------------------------

number_at() # OFFSET BYTES
{
	od -An -tu"$2" -j "$1" -N "$2" "$tmp/good" | tr -d ' '
}

# Leaves of the extent tree by what their parent, the root, says: key.hi, place.
root=$("$SOSNAP" store dump "$low" | awk '$1 == "extent" { print $2 }')
n=$(number_at $((root * 4096 + 56)) 4)
level=$(number_at $((root * 4096 + 60)) 1)
same "the extent tree has a root above leaves" 1 "$level"
leaf=''
for ((i = 1; i < n; i++)); do
	at=$((root * 4096 + 64 + i * 28))
	next=$([ $((i + 1)) -lt "$n" ] && number_at $((at + 28)) 4)
	# all of it belongs to the second object
	[ "$(number_at $at 4) $next" != '2 2' ] || leaf=$(number_at $((at + 12)) 8)
done
[ -n "$leaf" ] || die "no leaf of snapshot b alone"
poke $((leaf * 4096 + 200)) 4
not_ok "store check finds it" store_check
store_up
snap_up a b c
ok "a is not concerned" "$BLK" check $dm/st-a 14384 8 2
ok "nor is c" "$BLK" check $dm/st-c 0 8 2
mark_log
not_ok "b cannot be read where the damage is" dd if=$dm/st-b of=/dev/null bs=1M iflag=direct status=none
same "b is fenced" fenced "$(snap_field b 1)"
ok "the kernel log names it, and why" log_has "snapshot 2 fenced: block $leaf has a wrong checksum"
same "b is not written" EIO "$("$BLK" errno write $dm/st-b 0 8)"
same "a is not fenced" "rw rw" "$(snap_field a 1) $(snap_field c 1)"
ok "a is written" "$BLK" write $dm/st-a 8 8 5
ok "c is written" "$BLK" write $dm/st-c 8 8 5
ok "and read" "$BLK" check $dm/st-c 8 8 5
ok "a and c are flushed" "$BLK" flush $dm/st-a
same "the store goes on" rw "$(store_field 1)"
restore

# a node that is right in itself, at the wrong place: one of another address
must dd if="$tmp/good" of="$disk" bs=4096 skip="$root" seek="$leaf" count=1 conv=notrunc oflag=direct status=none
store_up
snap_up a b
not_ok "a node of another address is not believed" dd if=$dm/st-b of=/dev/null bs=1M iflag=direct status=none
same "b is fenced" "fenced rw" "$(snap_field b 1) $(snap_field a 1)"
ok "a is not concerned" "$BLK" check $dm/st-a 14384 8 2
restore

# --- the journal -----------------------------------------------------------------

# A store that was not closed, with two commits to replay ...
store_up
snap_up a
must "$BLK" write $dm/st-a 8 8 11 dsync
must "$BLK" write $dm/st-a 24 8 12 dsync
image=$(scratch 1 32M)
crash_image "$image"
store_down
# ... of which the second is torn, or comes from another store or lap
tail=$("$SOSNAP" store dump "$image" | awk '/^journal tail:/ { print $3 }')
commit2=$(((257 + tail + 1) * 4096))
must dd if="$image" of="$tmp/image" bs=1M count=32 iflag=direct status=none
torn()
{
	must dd if="$image" of="$disk" bs=1M count=32 iflag=direct oflag=direct status=none
	must dd if=/dev/zero of="$disk" bs=1 seek=$((commit2 + 70)) count=20 conv=notrunc,fsync status=none
	blockdev --flushbufs "$disk"
}
foreign()
{
	must dd if="$image" of="$disk" bs=1M count=32 iflag=direct oflag=direct status=none
	# the first commit once more, where the second was: right but for place and number
	must dd if="$image" of="$disk" bs=4096 skip=$((257 + tail)) seek=$((257 + tail + 1)) count=1 \
		iflag=direct oflag=direct status=none
}
for damage in torn foreign; do
	"$damage"
	store_up
	snap_up a
	ok "$damage commit: what was before it is there" "$BLK" check $dm/st-a 8 8 11
	ok "$damage commit: is not replayed" "$BLK" check $dm/st-a 24 8 gold
	store_down
	ok "$damage commit: the store is clean" store_check
done
restore
finish
