#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Resizing snapshots, inactive and active, larger and smaller, with I/O running:
# what was cut off is given back and never shows again; every place where the
# sequence may be killed leaves a snapshot that works.
. "$(dirname "$0")/lib.sh"
needs

setup 16M 96M
dev=$dm/st-a

# the message, then a table of the new length
resize_to()
{
	local name=${2:-a}

	must message resize "$name" "$1"
	must dmsetup load "st-$name" --table "$(snap_table "$name")"
	must dmsetup resume "st-$name" --noflush
}

blocks()
{
	must message checkpoint
	store_field 6
}

# inactive
snap_new a
snap_up a
must "$BLK" write $dev 0 "$gold_sectors" 1
snap_down a
same "it owns what it wrote" 4096 "$(blocks)"
ok "an inactive one is made smaller" message resize a 8192
same "that frees what is beyond its end" 1024 "$(store_field 6)"
refused "its old size is no table any more" "another size" \
	dmsetup create st-a --table "0 $gold_sectors sosnap $dm/st 1 $gold"
dmsetup remove st-a 2> /dev/null
ok "and larger, beyond its gold image" message resize a 65536
snap_up a
ok "it keeps what it had" "$BLK" check $dev 0 8192 1
ok "all else reads as zeros" "$BLK" check $dev 8192 57344 zero
same "the catalogue says so" 65536 "$(snap_line a | cut -d' ' -f3)"
refused "no size" "impossible" message resize a 0
refused "a part of a block" "multiple of 4 KiB" message resize a 8193
refused "no snapshot" "no such snapshot" message resize b 8192
refused "no number" "number" message resize a 8x

# active: the size is the table's
must "$BLK" write $dev 32768 8192 2
must message resize a 98304
same "the old table goes on with its length" 65536 "$(sectors_of $dev)"
ok "and works" "$BLK" write $dev 65528 8 3
must dmsetup suspend st-a
ok "it can be suspended and resumed" dmsetup resume st-a
must dmsetup load st-a --table "$(snap_table a)"
must dmsetup clear st-a
ok "and the new one dropped" "$BLK" check $dev 65528 8 3
resize_to 98304
same "with its table it has the size" 98304 "$(sectors_of $dev)"
ok "old data" "$BLK" check $dev 32768 8192 2
ok "up to the old end" "$BLK" check $dev 65528 8 3
ok "and zeros beyond" "$BLK" check $dev 65536 32768 zero
must "$BLK" write $dev 98296 8 4

before=$(blocks)
must message resize a 32800
same "a smaller size frees nothing that a table reaches" "$before" "$(blocks)"
ok "which is still read" "$BLK" check $dev 98296 8 4
refused "nor does a larger one than that" "its device is larger than that still" \
	message resize a 98304
ok "it can be written" "$BLK" write $dev 98296 8 4
resize_to 32800
same "its table frees it" $((1024 + 4)) "$(blocks)"
ok "what is left is there" "$BLK" check $dev 32768 32 2
not_ok "what is not is not" "$BLK" check $dev 32800 8 zero
must "$BLK" write $dev 32792 8 5
must dmsetup suspend st-a
must message resize a 65536
must dmsetup load st-a --table "$(snap_table a)"
must dmsetup resume st-a
ok "grown back it reads as zeros" "$BLK" check $dev 32800 32736 zero
ok "after what was written before" "$BLK" check $dev 32792 8 5

# a deep map, and a table that is let go before the next resume
resize_to $((1 << 34))
must "$BLK" write $dev $(((1 << 34) - 8)) 8 6
ok "8 TiB" "$BLK" check $dev $(((1 << 34) - 8)) 8 6
ok "keep what was there" "$BLK" check $dev 32792 8 5
resize_to 65536
must dmsetup suspend st-a
must dmsetup resume st-a
resize_to $((1 << 34))
ok "cut off and back" "$BLK" check $dev $(((1 << 34) - 8)) 8 zero
resize_to 65536

# killed after the smaller size was written down, then a power cut
must "$BLK" write $dev 49152 8192 7 flush
must message resize a 49152
image=$(scratch 1 96M)
crash_image "$image"
crash_to "$image"
store_up
snap_up a
same "it has the new size" 49152 "$(sectors_of $dev)"
ok "the same again frees what a crash left" message resize a 49152
same "exactly" $((1024 + 4)) "$(blocks)"
resize_to 65536
ok "which reads as zeros" "$BLK" check $dev 49152 16384 zero

# under load: the part that the model knows is always there
snap_new b 65536
snap_up b
rounds=0
while [ "$rounds" -lt 4 ]; do	# a slow machine needs more than one run for so many
	resize_to 65536 b	# as the model has it
	"$MODEL" run $dm/st-b --model "$tmp/b" --gold-sectors "$gold_sectors" --threads 4 \
		--seconds 6 > "$tmp/run.out" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2> /dev/null; do
		resize_to $((65536 + rounds % 3 * 20000000)) b
		rounds=$((rounds + 1))
	done
	ok "a run, up to $rounds sizes" wait "$pid"
	cat "$tmp/run.out"
done
resize_to 65536 b
ok "nothing is lost" "$MODEL" verify $dm/st-b --model "$tmp/b"

# by the tool
ok "the tool makes one larger" "$SOSNAP" resize st/b --size 48M
same "while it is in use" 98304 "$(sectors_of $dm/st-b)"
not_ok "shrinking wants an answer" "$SOSNAP" resize st/b --size 32M
ok "or --yes" "$SOSNAP" --yes resize st/b --size 32M
same "then it is done" 65536 "$(sectors_of $dm/st-b)"
ok "nothing is lost by that" "$MODEL" verify $dm/st-b --model "$tmp/b"
finish
