#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Whatever is wrong in a table line or a message is refused with an errno and a
# reason that names it, and changes nothing.
. "$(dirname "$0")/lib.sh"
needs

setup 8M 64M
snap_new a
snap_new b
snap_up a
size=$(sectors_of "$low")
must message commit
before="$(message list gold) $(message list snapshot) $(store_field 12)"

table()
{
	dmsetup create st-x --table "$1"
}

# --- table lines of stores ------------------------------------------------------

wrong_store() # TEXT, REASON, ARGUMENTS
{
	refused "store: $1" "$2" table "0 ${4:-$size} sosnap-store $3"
}
other=$(new_loop 32M)
other_size=$(sectors_of "$other")
wrong_store "no device" "wanted" ""
wrong_store "a device that is not there" "cannot be opened" /dev/none
wrong_store "a device without a store" "holds no store" "$other" "$other_size"
wrong_store "an unknown option" "unknown option" "$other 1 bogus"
wrong_store "an option without its value" "unknown option, or one that lacks its value" "$other 1 map_memory"
wrong_store "a value out of range" "map_memory" "$other 2 map_memory 0"
wrong_store "a value that is no number" "low_water" "$other 2 low_water much"
wrong_store "more options than said" "more arguments" "$other 1 read_only error_if_no_space"
wrong_store "fewer than said" "invalid number of options" "$other 4 read_only"
wrong_store "a number of options that is none" "invalid number" "$other many"
wrong_store "a store that is active" "active under another name" "$low"

# --- table lines of snapshots ---------------------------------------------------

wrong_snap() # TEXT, REASON, ARGUMENTS [SIZE]
{
	refused "snapshot: $1" "$2" table "0 ${4:-$gold_sectors} sosnap $3"
}
wrong_snap "too few arguments" "wanted" "$dm/st 2"
wrong_snap "too many" "wanted" "$dm/st 2 $gold more"
wrong_snap "an id that is no number" "no number" "$dm/st b $gold"
wrong_snap "id 0" "no number" "$dm/st 0 $gold"
wrong_snap "an id that is not there" "no snapshot with this id" "$dm/st 77 $gold"
wrong_snap "an id that is too large" "no number" "$dm/st 4294967296 $gold"
wrong_snap "a store that is none" "not a sosnap-store" "$other 2 $gold"
wrong_snap "a store that is not there" "activate the store" "/dev/none 2 $gold"
wrong_snap "its own store as gold" "gold" "$dm/st 2 $dm/st"
wrong_snap "a gold that is not there" "gold device cannot be opened" "$dm/st 2 /dev/none"
wrong_snap "a gold of another size" "wrong size" "$dm/st 2 $other"
wrong_snap "another size than the snapshot's" "another size" "$dm/st 2 $gold" 8192
wrong_snap "a snapshot that is active" "active already" "$dm/st 1 $gold"

# gold of the right size, of which one sampled bit is wrong
bad=$(new_loop 8M)
must dd if="$gold" of="$bad" bs=1M status=none
must "$BLK" write "$bad" $((gold_sectors - 1)) 1 1
wrong_snap "a gold that was modified" "was modified" "$dm/st 2 $bad"
not_ok "nothing is left behind" dmsetup info st-x

# --- messages -------------------------------------------------------------------

wrong() # TEXT, REASON, WORDS
{
	local text=$1 reason=$2

	shift 2
	refused "message: $text" "$reason" message "$@"
}
long=$(printf 'n%.0s' {1..64})
wrong "unknown" "unknown message" bogus
wrong "too few words" "wrong number" create x g
wrong "not a multiple of three" "wanted: create" create x g 8 y
wrong "a name that is taken" "exists already" create a g 8
wrong "twice the same name" "named twice" create x g 8 x g 8
wrong "a name that is too long" "not a valid name" create "$long" g 8
wrong "a name with a slash" "not a valid name" create a/b g 8
wrong "a name that starts with a dash" "not a valid name" -- create -x g 8
wrong "a name that starts with a dot" "not a valid name" create .x g 8
wrong "an unknown gold image" "no such gold image" create x gx 8
wrong "size 0" "impossible size" create x g 0
wrong "a size that is none" "not a decimal number" create x g 8k
wrong "a size beyond all bounds" "impossible size" create x g 18446744073709551615
wrong "all or none" "no such gold image" create ok1 g 8 ok2 gx 8
wrong "removal of what is not there" "no such snapshot" remove x
wrong "of one that is active" "is active" remove a
wrong "of that and another" "is active" remove b a
wrong "of one, twice" "named twice" remove b b
wrong "renaming what is not there" "no such snapshot" rename x y
wrong "renaming to a name that is taken" "exists already" rename a b
wrong "renaming to no name" "not a valid name" rename a a/b
wrong "an unknown property" "unknown property" set a colour 1
wrong "a value that is none" "this property takes 0 or 1" set a auto 2
wrong "a gold image that is known" "exists already" gold_add g 8 00000000 -
wrong "a checksum that is none" "not hexadecimal" gold_add h 8 xyz -
wrong "a SHA-256 that is none" "SHA-256" gold_add h 8 00000000 abcd
wrong "a gold image of no size" "impossible size" gold_add h 0 00000000 -
wrong "removal of a gold image in use" "snapshot" gold_remove g
wrong "of one that is not there" "no such gold image" gold_remove h
wrong "list of something else" "wanted: list" list stores
wrong "list from no id" "wanted: list snapshot <from id>" list snapshot x
wrong "list of gold images from an id" "wanted: list" list gold 1
wrong "show what is not there" "no such snapshot" show x
must message commit
same "nothing has changed" "$before" "$(message list gold) $(message list snapshot) $(store_field 12)"

# --- what is read-only -----------------------------------------------------------

store_down
store_up read_only
same "a store for reading" ro "$(store_field 1)"
wrong "creation" "read-only" create x g 8
wrong "removal" "read-only" remove b
must dmsetup create st-a --readonly --table "$(snap_table a)"
ok "its snapshots are read" "$BLK" check $dm/st-a 0 "$gold_sectors" gold
store_down

# --- a device that fails ---------------------------------------------------------

store_up
snap_up a b
must "$BLK" write $dm/st-a 800 8 1 dsync
must message checkpoint
must dmsetup suspend low
must dmsetup load low --table "0 $size error"
must dmsetup resume low
same "a write to a failed device" EIO "$("$BLK" errno write $dm/st-a 1600 8)"
same "an overwrite" EIO "$("$BLK" errno write $dm/st-a 800 8)"
same "a read of an own block" EIO "$("$BLK" errno read $dm/st-a 800 8)"
ok "a read of gold goes on" "$BLK" check $dm/st-a 8000 8 gold
must dmsetup suspend low
must dmsetup load low --table "0 $size linear $disk 0"
must dmsetup resume low
ok "a store whose metadata was not concerned goes on" "$BLK" check $dm/st-a 800 8 1
same "a failed first write has changed nothing" OK \
	"$("$BLK" check $dm/st-a 1600 8 gold && echo OK)"
mark_log
# its journal, before there is anything that a timer would have committed meanwhile
journal=$((257 * 8)) behind=$((journal + $(store_field 10) * 8))
must dmsetup suspend low
must dmsetup load low <<< "0 $journal linear $disk 0
$journal $((behind - journal)) error
$behind $((size - behind)) linear $disk $behind"
must dmsetup resume low
must "$BLK" write $dm/st-a 2400 8 2
same "a flush that cannot be written down fails" EIO "$("$BLK" errno flush $dm/st-a 0 0)"
same "and the store takes no more writes" failed "$(store_field 1)"
ok "the kernel log says why" log_has "journal write failed"
must dmsetup suspend low
must dmsetup load low --table "0 $size linear $disk 0"
must dmsetup resume low
same "also when the device is back" EIO "$("$BLK" errno write $dm/st-a 1600 8)"
ok "but reads go on" "$BLK" check $dm/st-a 800 8 1
store_down
store_up
snap_up a
ok "activated again it has what was durable" "$BLK" check $dm/st-a 800 8 1
ok "and takes writes" "$BLK" write $dm/st-a 1600 8 3 dsync
finish
