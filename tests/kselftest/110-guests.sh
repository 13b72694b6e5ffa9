#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# What guests do: 512-byte sectors, a filesystem in a partition off the 4 KiB
# grid, requests of 1 MiB across many extents, requests that may not wait, and a
# last block that is not whole.
. "$(dirname "$0")/lib.sh"
needs mkfs.ext4 fsck.ext4 od

setup 16M 64M
snap_new a
snap_up a
same "sectors of 512 bytes" 512 "$(blockdev --getss $dm/st-a)"
same "and a preference for 4 KiB" 4096 "$(blockdev --getpbsz $dm/st-a)"

# every third block is own, then requests of 1 MiB and more read and write across them
must "$BLK" each $dm/st-a 0 8 24 600 1
ok "1 MiB off the grid across 43 extents" "$BLK" write $dm/st-a 101 2048 2
ok "reads back" "$BLK" check $dm/st-a 101 2048 2
ok "with what was before it" "$BLK" check $dm/st-a 96 5 1
ok "and behind it" "$BLK" check $dm/st-a 2149 3 gold
ok "4 MiB at once" dd if=$dm/st-a of="$tmp/copy" bs=4M count=2 iflag=direct status=none
ok "are the same" cmp -n 8388608 "$tmp/copy" $dm/st-a
ok "and can be written at once" dd if="$tmp/copy" of=$dm/st-a bs=8M count=1 oflag=direct conv=notrunc status=none
ok "are the same" cmp -n 8388608 "$tmp/copy" $dm/st-a
for i in 0 1 2 3; do
	ok "write $i that may not wait" "$BLK" nowait $dm/st-a $((20000 + i * 77)) $((i * 5 + 1)) 4
	ok "is there" "$BLK" check $dm/st-a $((20000 + i * 77)) $((i * 5 + 1)) 4
done

# a partition from sector 63 on
snap_new part
snap_up part
must dmsetup create part --table "0 $((gold_sectors - 63)) linear $dm/st-part 63"
ok "mkfs in a partition off the grid" mkfs.ext4 -q -b 1024 $dm/part
mkdir -p "$tmp/mnt"
ok "mount it" mount $dm/part "$tmp/mnt"
ok "use it" cp -r "$SOSNAP_TOP/tests/kselftest" "$tmp/mnt/"
sync
ok "trim it" fstrim "$tmp/mnt"
ok "files are the same" diff -r "$SOSNAP_TOP/tests/kselftest" "$tmp/mnt/kselftest"
umount "$tmp/mnt"
ok "fsck" fsck.ext4 -fn $dm/part
must dmsetup remove part
snap_down part
snap_up part
must dmsetup create part --table "0 $((gold_sectors - 63)) linear $dm/st-part 63"
ok "fsck after deactivation and activation" fsck.ext4 -fn $dm/part
must dmsetup remove part
ok "what is before the partition is gold" "$BLK" check $dm/st-part 0 63 gold

# a snapshot of 1003 blocks and 5 sectors
snap_new odd 8029
snap_up odd
ok "the last sectors are gold" "$BLK" check $dm/st-odd 8016 13 gold
ok "the last sector is written" "$BLK" write $dm/st-odd 8028 1 1
ok "and what is before it stays" "$BLK" check $dm/st-odd 8016 12 gold
ok "the end is written off the grid" "$BLK" write $dm/st-odd 8010 19 2
ok "and reads back" "$BLK" check $dm/st-odd 8010 19 2
ok "it is discarded" "$BLK" discard $dm/st-odd 8024 5
ok "to zeros" "$BLK" check $dm/st-odd 8024 5 zero
ok "the block before stays" "$BLK" check $dm/st-odd 8016 8 2
ok "all of it is discarded" "$BLK" discard $dm/st-odd 0 8029
same "and owns nothing" 0 "$(snap_field odd 4)"
finish
