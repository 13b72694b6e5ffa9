#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# What I/O costs the devices, exactly, counted by the kernel: a first write is
# one write and no read, a flush one write of the journal.
#
# Each count is "reads sectors writes sectors discards flushes", of the store and
# of the gold image.  The block layer counts an empty flush among the writes, with
# no sectors; what one costs is counted first.
. "$(dirname "$0")/lib.sh"
needs

new_bare_low 128M
setup 16M 128M
snap_new a
snap_up a
# the windows become known, and the store has its places ready
must "$BLK" check $dm/st-a 0 "$gold_sectors" gold

none='0 0 0 0 0 0'
must dd if=/dev/zero of="$disk" bs=4k count=1 seek=$(($(sectors_of "$disk") / 8 - 1)) oflag=direct status=none
count_ops "$BLK" flush "$disk"
empty_flush=$ops_store
# a device with a cache but without FUA makes a second flush of a durable write
queue=/sys/class/block/${disk#/dev/}/queue
flushes=0
[ "$(cat "$queue/write_cache")" != 'write back' ] || flushes=$((2 - $(cat "$queue/fua")))

counted "read of 4 KiB of gold" "$none, 1 8 0 0 0 0" "$BLK" check $dm/st-a %024 8 gold
counted "first write of 4 KiB: one write of 4 KiB, no read" \
	"0 0 1 8 0 0, $none" "$BLK" write $dm/st-a %8000 8 1
counted "with a flush after it: one more of 4 KiB, to the journal" \
	"0 0 2 16 0 $flushes, $none" "$BLK" each $dm/st-a %6000 8 8 1 1 flush
counted "a flush with nothing to commit writes nothing" "$empty_flush, $none" "$BLK" flush $dm/st-a
counted "read of an own block: one read of the store" "1 8 0 0 0 0, $none" \
	"$BLK" check $dm/st-a 6000 8 1
counted "overwrite: one write" "0 0 1 8 0 0, $none" "$BLK" write $dm/st-a 6000 8 2
counted "a flush after it: no write of the journal" "$empty_flush, $none" "$BLK" flush $dm/st-a
counted "overwrite of one sector: one write of it, no read" "0 0 1 1 0 0, $none" \
	"$BLK" write $dm/st-a 6003 1 3
counted "first write of one sector: its block read once and written once" \
	"0 0 1 8 0 0, 1 8 0 0 0 0" "$BLK" write $dm/st-a %7003 1 1
# in windows of their own
counted "20 scattered first writes and one flush: 21 writes, no read" \
	"0 0 21 168 0 $flushes, $none" "$BLK" each $dm/st-a %024 8 512 20 1 flush
for try in 0 1 2; do
	settle
	count_ops "$BLK" write $dm/st-a $((30000 + try * 8)) 8 1 dsync
	[ "$(echo "$ops_store" | cut -d' ' -f1,2,4)" != "0 0 16" ] || break
done
same "durable first write: data and one journal block, no read" "0 0 16" \
	"$(echo "$ops_store" | cut -d' ' -f1,2,4)"

snap_new b
snap_up b
must "$BLK" check $dm/st-b 0 "$gold_sectors" gold
for try in 0 1 2; do
	settle
	count_ops "$BLK" each $dm/st-b $((2048 + try * 4096)) 2048 0 1 1 flush
	[ "$(echo "$ops_store" | cut -d' ' -f4)" != 2056 ] || break
done
same "first write of 1 MiB and a flush: written once, one block of the journal, no read" \
	"0 0 2056, $none" "$(echo "$ops_store" | cut -d' ' -f1,2,4), $ops_gold"
at_most "in at most one write for each 256 KiB" 5 "$(echo "$ops_store" | cut -d' ' -f3)"

# neighbours stay together: pieces of 16 KiB, each time every fourth of them
for i in 2 0 3 1; do
	must "$BLK" each $dm/st-b $((16384 + i * 32)) 32 128 16 2
done
for try in 0 1 2; do
	count_ops "$BLK" check $dm/st-b 16384 2048 2
	[ "$(echo "$ops_store" | cut -d' ' -f2)" != 2048 ] || break
done
same "1 MiB written in scattered pieces is read back once" 2048 "$(echo "$ops_store" | cut -d' ' -f2)"
at_most "in at most one read for each 256 KiB" 4 "$(echo "$ops_store" | cut -d' ' -f1)"

# metadata costs at most 1% of the data, also for scattered 4 KiB writes... with
# few of them the fixed costs of a checkpoint show: 16 blocks. A timer may make more of
# those, and commits, each of which may leave most of a block of the journal empty
snap_new c
snap_up c
must "$BLK" check $dm/st-c 0 "$gold_sectors" gold
must message checkpoint
settle
w0=$(ops_of "$disk" | cut -d' ' -f4) commits=$(stat_of commit_durable) gen=$(store_field 12)
must "$BLK" each $dm/st-c 8 8 16 2000 1 flush
must message checkpoint
w1=$(ops_of "$disk" | cut -d' ' -f4)
commits=$(($(stat_of commit_durable) - commits)) gen=$(($(store_field 12) - gen))
at_most "2000 scattered writes and their checkpoint: sectors of metadata" \
	$((320 + gen * 128 + (11 + commits) * 8)) $((w1 - w0 - 16000))
finish
