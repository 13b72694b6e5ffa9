#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A snapshot that is set read-only takes no writes, whoever has it open, and is
# not changed by messages either; set writable again, it goes on where it was.
. "$(dirname "$0")/lib.sh"
needs

show_field()
{
	snap_line "$1" | awk -v f="$2" '{ print $f }'
}

ro_up()
{
	must dmsetup create "st-$1" --readonly --table "$(snap_table "$1")"
}

setup 16M 64M
snap_new a
snap_new b
snap_up a b
must "$BLK" each $dm/st-a 0 8 16 64 1 flush
same "at first it is not" 0 "$(show_field a 14)"
refused "it is set or not" "takes 0 or 1" message set a read_only 2
refused "only on snapshots there are" "no such snapshot" message set none read_only 1

# --- while it is in use --------------------------------------------------------

# who has opened it for writing goes on to hold it
must dmsetup create over --table "0 $gold_sectors linear $dm/st-a 0"
ok "through another device it can be written" "$BLK" write $dm/over 4096 8 2
sum=$(md5sum < $dm/st-a)
ok "an active one is set read-only" message set a read_only 1
same "it says so" "ro 1" "$(snap_field a 1) $(show_field a 14)"
same "as its device does" 1 "$(blockdev --getro $dm/st-a)"
not_ok "nobody opens it for writing" "$BLK" write $dm/st-a 0 8 3
same "who has it open gets errors for overwrites" EIO "$("$BLK" errno write $dm/over 4096 8)"
same "for first writes" EIO "$("$BLK" errno write $dm/over 8192 8)"
same "of part of a block" EIO "$("$BLK" errno write $dm/over 8193 1)"
same "that a worker would do" EIO "$("$BLK" errno write $dm/over 16383 9)"
same "for discards" EIO "$("$BLK" errno discard $dm/over 0 8)"
ok "but can flush" "$BLK" flush $dm/over
same "and reads what it was" "$sum" "$(md5sum < $dm/over)"
ok "others can be written" "$BLK" write $dm/st-b 0 8 3

# --- what messages and tables may do -------------------------------------------

refused "it is not resized" "set read-only" message resize a 8192
must dmsetup suspend st-a
must dmsetup suspend st-b
refused "nor refreshed" "set read-only" message refresh a
refused "nor rolled back" "set read-only" message rollback a b
ok "but a snapshot can be taken of it" message snapshot a a2
must dmsetup resume st-b
must dmsetup resume st-a
same "which changes nothing, nor does the resume" "$sum 1" \
	"$(md5sum < $dm/over) $(blockdev --getro $dm/st-a)"
same "the new one is writable" 0 "$(show_field a2 14)"
snap_up a2
ok "and is written" "$BLK" write $dm/st-a2 4096 8 4
same "it keeps what it was" "$sum" "$(md5sum < $dm/over)"
refused "a table that lets it be written is refused" "load its table read-only" \
	dmsetup load st-a --table "$(snap_table a)"
ok "a read-only one is not" dmsetup load st-a --readonly --table "$(snap_table a)"
must dmsetup resume st-a
same "which it goes on with" "$sum" "$(md5sum < $dm/over)"

# --- a table that was loaded before it was set ----------------------------------

must dmsetup suspend st-b
must dmsetup load st-b --table "$(snap_table b)"
must message set b read_only 1
must dmsetup resume st-b
same "a table that was loaded before does not make it writable" "1 ro" \
	"$(blockdev --getro $dm/st-b) $(snap_field b 1)"
not_ok "not a bit" "$BLK" write $dm/st-b 0 8 3
ok "it can be set writable again" message set b read_only 0
same "and is so at once" "0 rw" "$(blockdev --getro $dm/st-b) $(snap_field b 1)"
ok "to writers, too" "$BLK" write $dm/st-b 0 8 3

# --- over a crash and a restart --------------------------------------------------

other=$(scratch 1 64M)
crash_image "$other"
dm_remove over
crash_to "$other"
store_up
same "it is so after a crash" 1 "$(show_field a 14)"
refused "an activation that lets it be written is refused" "load its table read-only" \
	dmsetup create st-a --table "$(snap_table a)"
ro_up a
same "a read-only one is not, and reads what it was" "$sum" "$(md5sum < $dm/st-a)"
must message set a read_only 0
same "set writable, it waits for a table that lets it" 1 "$(blockdev --getro $dm/st-a)"
must dmsetup load st-a --table "$(snap_table a)"
must dmsetup resume st-a
ok "then it is written" "$BLK" write $dm/st-a 0 8 5
same "and lost nothing" "$sum" "$("$BLK" write $dm/st-a 0 8 1 && md5sum < $dm/st-a)"

# --- by the tool ------------------------------------------------------------------

store_down
must "$SOSNAP" store activate "$low" --no-snapshots
"$SOSNAP" activate st/a --gold-device "$gold" > "$tmp/out" 2>&1 || die "$(cat "$tmp/out")"
exec 5<> $dm/st-a
said=$("$SOSNAP" set st/a read-only on 2>&1)
same "the tool does not take it from who has it open" "1 end that use before it is set read-only" \
	"$? $(grep -o 'end that use .*' <<< "$said")"
same "it stays writable" 0 "$(blockdev --getro $dm/st-a)"
exec 5>&-
ok "then it does" "$SOSNAP" set st/a read-only on
same "at once" "1 ro" "$(blockdev --getro $dm/st-a) $(snap_field a 1)"
ok "list has it" sh -c "'$SOSNAP' list st --json | tr -d ' \n' | grep -q '\"name\":\"a\".*\"read_only\":true'"
must "$SOSNAP" deactivate st/a
must "$SOSNAP" activate st/a --gold-device "$gold"
same "it is activated so" "1 ro" "$(blockdev --getro $dm/st-a) $(snap_field a 1)"
ok "and set writable again" "$SOSNAP" set st/a read-only off
same "with a table for it, at once" "0 rw" "$(blockdev --getro $dm/st-a) $(snap_field a 1)"
ok "it is written" "$BLK" write $dm/st-a 0 8 1
same "nothing was lost" "$sum" "$(md5sum < $dm/st-a)"
must "$SOSNAP" set st/a read-only on
must "$SOSNAP" deactivate st/a
ok "it can be removed" "$SOSNAP" remove st/a --yes
finish
