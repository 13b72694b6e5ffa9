#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# The module is unloaded and loaded with what it had intact; a store of another
# version, or with features that are not known, is refused and left as it is.
. "$(dirname "$0")/lib.sh"
needs od cmp

setup 8M 32M
snap_new a
snap_up a
must "$BLK" write $dm/st-a 800 64 1
not_ok "a module in use cannot be unloaded" rmmod dm_sosnap
store_down
load_module()
{
	# shellcheck disable=SC2015
	[ -n "${SOSNAP_MODULE:-}" ] && insmod "$SOSNAP_MODULE" || modprobe dm-sosnap
}
for i in 1 2 3; do
	ok "unload $i" rmmod dm_sosnap
	not_ok "without it there are no targets" eval "dmsetup targets | grep -q '^sosnap'"
	ok "load $i" load_module
	store_up
	snap_up a
	ok "what was written is there" "$BLK" check $dm/st-a 800 64 1
	must "$BLK" write $dm/st-a $((8000 + i * 8)) 8 "$i"
	store_down
done

# Superblock fields behind the header of 64 bytes: version 4, flags 4, compat 8,
# ro_compat 8, incompat 8.  The checksum (crc32c of all behind it) is made anew.
set_field() # OFFSET BYTE
{
	local copy

	for copy in 0 256; do
		must dd if="$disk" of="$tmp/super" bs=4096 skip="$copy" count=1 iflag=direct status=none
		printf '%b' "\\x$2" | dd of="$tmp/super" bs=1 seek="$1" conv=notrunc status=none
		must "$BLK" seal "$tmp/super"
		must dd if="$tmp/super" of="$disk" bs=4096 seek="$copy" oflag=direct conv=notrunc status=none
	done
}

copy_store()
{
	must dd if="$disk" of="$1" bs=1M count=32 iflag=direct status=none
}

store_table="0 $(sectors_of "$low") sosnap-store $low"
copy_store "$tmp/good"
refuse_unchanged() # WHAT, REASON
{
	copy_store "$tmp/before"
	refused "$1: refused" "$2" dmsetup create st --table "$store_table"
	not_ok "$1: nothing is left" dmsetup info st
	not_ok "$1: the tool says so, too" store_check
	copy_store "$tmp/after"
	ok "$1: nothing was written" cmp "$tmp/before" "$tmp/after"
}
set_field 64 02
refuse_unchanged "a newer version" "another version"
set_field 64 00
refuse_unchanged "an older version" "another version"
set_field 64 01
set_field 88 80
refuse_unchanged "an unknown incompatible feature" "another version"
set_field 88 00

set_field 80 01
copy_store "$tmp/before"
refused "an unknown feature for readers only: not writable" "use read_only" \
	dmsetup create st --table "$store_table"
store_up read_only
must dmsetup create st-a --readonly --table "$(snap_table a)"
ok "but readable" "$BLK" check $dm/st-a 800 64 1
store_down
copy_store "$tmp/after"
ok "nothing was written" cmp "$tmp/before" "$tmp/after"
set_field 80 00

set_field 72 01
store_up
snap_up a
ok "an unknown harmless feature does no harm" "$BLK" check $dm/st-a 800 64 1
store_down
set_field 72 00

# a device that holds no store, or half of one
must dd if=/dev/zero of="$disk" bs=1M count=2 oflag=direct status=none
refuse_unchanged "no store" "holds no store"
must dd if="$tmp/good" of="$disk" bs=1M count=32 oflag=direct status=none
must dmsetup create half --table "0 32768 linear $disk 0"
refused "a device that is smaller than its store" "smaller than the store" \
	dmsetup create st --table "0 32768 sosnap-store $dm/half"
must dmsetup remove half
finish
