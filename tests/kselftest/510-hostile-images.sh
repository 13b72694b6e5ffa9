#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 900
#
# Stores with changed fields and right checksums, given to the module: whatever
# they say, it activates them or refuses, reads and writes a little, and lets go
# again, in bounded time.  SOSNAP_IMAGE_SECONDS says for how long, SOSNAP_SEED
# repeats a run.
. "$(dirname "$0")/lib.sh"
mutate=$SOSNAP_TOP/build/tests/mutate
needs timeout "$mutate"

setup 8M 16M 1M
for name in a b c; do
	snap_new "$name"
	snap_up "$name"
	must "$BLK" each "$dm/st-$name" 0 8 16 300 "$((1 + ${#name}))"
done
snap_new gone
must message checkpoint
must message remove gone
# what only the journal has
must "$BLK" write $dm/st-a 8 64 11 dsync
must "$BLK" write $dm/st-b 24 8 12 dsync
good=$tmp/good
must dmsetup suspend --noflush --nolockfs low
must dd if="$disk" of="$good" bs=1M count=16 iflag=direct status=none
must dmsetup resume low
store_down

limit=20 stuck=0 taken=0 refused=0 rounds=0 reads=0 writes=0
table="0 $(sectors_of "$low") sosnap-store $low 3 error_if_no_space map_memory 1"
a=$(printf '0 %s sosnap %s 1 %s' "$gold_sectors" "$dm/st" "$gold")
b=$(printf '0 %s sosnap %s 2 %s' "$gold_sectors" "$dm/st" "$gold")

# quick COMMAND...: bounded; its code, or a count of those that had no end
quick()
{
	timeout -k 1 "$limit" "$@" > "$tmp/quick.out" 2>&1
	case $? in
	0) return 0 ;;
	124 | 137)
		stuck=$((stuck + 1))
		echo "  no end: $* (seed $seed)"
		return 1 ;;
	*) return 1 ;;
	esac
}

use()
{
	local snap=$1

	quick "$BLK" write "$dm/st-$snap" 8 8 3 dsync && writes=$((writes + 1))
	quick "$BLK" write "$dm/st-$snap" 3001 3 4 && writes=$((writes + 1))
	quick dd if="$dm/st-$snap" of=/dev/null bs=64K count=32 iflag=direct && reads=$((reads + 1))
	quick "$BLK" discard "$dm/st-$snap" 64 512
	quick "$BLK" flush "$dm/st-$snap"
	quick dmsetup status "st-$snap"
}

round()
{
	must dd if="$good" of="$disk" bs=1M oflag=direct status=none
	# the first one is whole: what is counted below can be done
	[ "$rounds" = 1 ] || must "$mutate" "$disk" "$seed" "$((1 + seed % 3))"
	blockdev --flushbufs "$disk"
	if ! quick dmsetup create st --table "$table"; then
		refused=$((refused + 1))
		return
	fi
	taken=$((taken + 1))
	if quick dmsetup create st-a --table "$a"; then
		use a
	fi
	if quick dmsetup create st-b --table "$b"; then
		use b
	fi
	quick dmsetup message st 0 list snapshot
	quick dmsetup message st 0 create new g 16384
	quick dmsetup message st 0 remove c
	quick dmsetup message st 0 checkpoint
	quick dmsetup message st 0 drop_maps
	[ ! -e $dm/st-a ] || quick dd if=$dm/st-a of=/dev/null bs=64K count=8 iflag=direct
	for name in st-a st-b st; do
		dmsetup info "$name" > /dev/null 2>&1 || continue
		quick dmsetup remove --retry "$name"
	done
}

seed=$((${SOSNAP_SEED:-1} * 100000))
echo "  SOSNAP_SEED=${SOSNAP_SEED:-1}"
end=$((SECONDS + ${SOSNAP_IMAGE_SECONDS:-30}))
mark_log
while { [ "$SECONDS" -lt "$end" ] || [ "$rounds" -lt 6 ]; } && [ "$stuck" = 0 ]; do
	seed=$((seed + 1)) rounds=$((rounds + 1))
	round
done
echo "  $rounds images: $taken taken, $refused refused; $reads reads, $writes writes"
same "everything came to an end" 0 "$stuck"
at_least "images were tried" 4 "$rounds"
at_least "some of them were taken" 2 "$taken"
at_least "and could be read" 1 "$reads"
same "no device is left" 0 "$(dmsetup ls | grep -c '^st')"
same "the kernel has not complained" 0 \
	"$(log_since_mark | grep -cE 'WARNING|BUG:|KASAN|UBSAN|Oops|blocked for more than|lockdep')"

must dd if="$good" of="$disk" bs=1M oflag=direct status=none
blockdev --flushbufs "$disk"
store_up
snap_up a
ok "the store that was not changed is well" "$BLK" check $dm/st-a 8 64 11
store_down
must dd if="$disk" of="$tmp/clean" bs=1M count=16 iflag=direct status=none

lie() # BLOCK OFFSET BYTES VALUE: the store that was closed, but for this
{
	must dd if="$tmp/clean" of="$disk" bs=1M oflag=direct status=none
	must "$mutate" "$disk" "$@"
	blockdev --flushbufs "$disk"
	mark_log
}

said()
{
	log_since_mark | grep -q "$1"
}

# the summary in force says that the bitmap was never written: all would be free
slot=$(($(od -An -tu1 -j 888 -N 1 "$tmp/clean") & 3))
lie $((3 + slot)) 64 8 0
ok "a store whose bitmap cannot be right is taken" dmsetup create st --table "$table"
ok "and it is said" said "bitmap of region 0 is damaged: its free blocks stay free"
snap_up a
# a has every second block
not_ok "nothing is handed out" "$BLK" write $dm/st-a 4104 8 5 dsync
ok "what it has is written" "$BLK" write $dm/st-a 4096 8 5 dsync
ok "what is there can be read" "$BLK" check $dm/st-a 8 64 11
store_down
# the superblock says that more is in use than is left by what is free
lie 0 232 8 2000
not_ok "a store with free space in doubt is not written to" dmsetup create st --table "$table"
ok "and it is said why" said "free space is in doubt: run sosnap store check, or use read_only"
must dd if="$tmp/clean" of="$disk" bs=1M oflag=direct status=none
blockdev --flushbufs "$disk"
finish
