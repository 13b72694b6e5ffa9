#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Snapshots that are longer or shorter than their gold image, and gold images
# whose size is no multiple of 4 KiB: zeros behind the end, in the same block too.
. "$(dirname "$0")/lib.sh"
needs

setup 8M 64M
odd=$(gold_device $((4099 * 512))) || die "no gold image"
gold_add odd "$odd"
odd_sectors=$(sectors_of "$odd")
same "a gold image of 512 blocks and 3 sectors" 4099 "$odd_sectors"

snap_new long 40000 odd
snap_new same 4099 odd
snap_new less 2047 odd
snap_gold=$odd
snap_up long same less
check_long()
{
	ok "$1: gold" "$BLK" check $dm/st-long 0 4099 gold
	ok "$1: zeros behind it in its last block" "$BLK" check $dm/st-long 4099 5 zero
	ok "$1: zeros behind that" "$BLK" check $dm/st-long 4104 35896 zero
}
check_long "longer"
ok "a read across the end of the gold image" dd if=$dm/st-long of=/dev/null bs=1M iflag=direct status=none
ok "same size" "$BLK" check $dm/st-same 0 4099 gold
ok "shorter" "$BLK" check $dm/st-less 0 2047 gold

must "$BLK" write $dm/st-long 4101 1 1
ok "a sector behind the gold image, in its last block" "$BLK" check $dm/st-long 4101 1 1
ok "keeps the gold before it" "$BLK" check $dm/st-long 4090 9 gold
ok "and the zeros around it" "$BLK" check $dm/st-long 4099 2 zero
ok "on both sides" "$BLK" check $dm/st-long 4102 100 zero
must "$BLK" write $dm/st-long 20001 1 2
ok "a sector far behind it" "$BLK" check $dm/st-long 20001 1 2
ok "has zeros before it" "$BLK" check $dm/st-long 19000 1001 zero
must "$BLK" write $dm/st-same 4098 1 3
ok "the last sector of a partial block" "$BLK" check $dm/st-same 4098 1 3
ok "has gold before it" "$BLK" check $dm/st-same 4000 98 gold
must "$BLK" write $dm/st-less 2046 1 4
ok "the last sector where the gold goes on" "$BLK" check $dm/st-less 2046 1 4
ok "has gold before it" "$BLK" check $dm/st-less 2000 46 gold

# the model knows the end of the gold image
snap_new model 20011 odd
snap_up model
ok "a model run across it" "$MODEL" run $dm/st-model --model "$tmp/m" --gold-sectors 4099 \
	--threads 4 --ops 60 --seed 5
snap_down long model
snap_up long model
ok "after activation: the sector" "$BLK" check $dm/st-long 4101 1 1
ok "after activation: zeros before it" "$BLK" check $dm/st-long 4099 2 zero
ok "after activation: the model" "$MODEL" verify $dm/st-model --model "$tmp/m"

# the last block of a device behind which nothing is
snap_new tiny 1 odd
snap_up tiny
ok "one sector" "$BLK" check $dm/st-tiny 0 1 gold
ok "written" "$BLK" write $dm/st-tiny 0 1 5
ok "read" "$BLK" check $dm/st-tiny 0 1 5
finish
