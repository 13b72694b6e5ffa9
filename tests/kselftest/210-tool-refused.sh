#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# What the tool refuses: one sentence that names the object and the remedy, the
# kernel's reason where the kernel refused, and nothing changed.
. "$(dirname "$0")/lib.sh"
needs

# says TEXT WORDS ARGUMENTS: the tool fails with one line that has these words
says()
{
	local text=$1 words=$2 rc=0

	shift 2
	if "$SOSNAP" "$@" > "$tmp/says.out" 2> "$tmp/says.err"; then
		echo "  it was accepted"
		rc=1
	fi
	grep -qF -e "$words" "$tmp/says.err" || rc=1
	[ "$(wc -l < "$tmp/says.err")" = 1 ] || rc=1
	[ "$rc" = 0 ] || sed 's/^/  /' "$tmp/says.out" "$tmp/says.err"
	verdict "$rc" "$text"
}

new_gold 8M
new_low 64M
other=$(new_loop 16M)
must "$SOSNAP" store create "$low" --name st

# --- store create -------------------------------------------------------------------

says "a device in use" "is used by $dm/low: end that use first" \
	store create "$disk" --name x --force
must dmsetup create lin --table "0 32768 linear $other 0"
says "the same for a loop device" "is used by $dm/lin" store create "$other" --name x
must dmsetup remove lin
says "a name that another device has" "there is a store named 'st' on $low" \
	store create "$other" --name st
must mke2fs -q "$other"
says "a filesystem" "holds ext2 filesystem: choose another device, or add --force" \
	store create "$other" --name x
must mount -o ro "$other" /mnt
says "one that is mounted" "is mounted on /mnt: end that use first" \
	store create "$other" --name x --force
must umount /mnt
blockdev --setro "$other"
says "a read-only device" "is read-only: make it writable" store create "$other" --name x --force
blockdev --setrw "$other"
ok "with force" "$SOSNAP" store create "$other" --name x --force

# --- store activate -----------------------------------------------------------------

says "a device without a store" "holds no store" store activate "$gold"
says "a name that there is not" "no block device holds a store named 'nope'" store activate nope
says "a wrong policy" "must be 'queue' or 'error'" store activate st --no-space wait
says "what the kernel refuses" "the kernel says: map_memory" store activate st --map-memory 1024P
must dmsetup create lin --table "0 20000 linear $other 0"
says "a part of the device" "is smaller than the store on it" store activate $dm/lin
must dmsetup remove lin
must "$SOSNAP" store activate st
says "a device that is active" "is used by $dm/st" store activate "$low"
says "check while active" "is used by $dm/st" store check "$low"
says "dump while active" "is used by $dm/st" store dump "$low"

# --- gold images --------------------------------------------------------------------

truncate -s 1M "$tmp/file"
says "a file" "attach it by 'losetup" gold add st "$tmp/file" --name g
fs=$(new_loop 16M)
must mke2fs -q "$fs"
must mount "$fs" /mnt
says "a filesystem that is written" "is mounted on /mnt and can change" gold add st "$fs" --name g
must umount /mnt
must "$SOSNAP" gold add st "$gold" --name g
says "a name twice" "has a gold image 'g' already" gold add st "$gold" --name g
says "another size" "its size is 16777216 bytes, not 8388608" gold verify st g "$fs"
changed=$(new_loop 8M)
must dd if="$gold" of="$changed" bs=1M status=none
must dd if=/dev/zero of="$changed" bs=1 count=16 seek=4100 conv=notrunc status=none
says "another content" "the checksum of its sampled blocks is" gold verify st g "$changed"
must dd if="$gold" of="$changed" bs=1M status=none
must dd if=/dev/zero of="$changed" bs=4096 count=1 seek=30 conv=notrunc status=none
says "another content where no sample is" "its SHA-256 is" gold verify st g "$changed"

# --- snapshots ----------------------------------------------------------------------

must "$SOSNAP" create st/a --gold g
says "a name twice" "exists already: choose another name" create st/b st/a --gold g
says "another size than it has" "exists already, but with" \
	create st/a --gold g --size 9M --if-missing
says "a gold image that is not there" "has no gold image 'h'" create st/b --gold h
says "a size off the sectors" "must be a multiple of 512 bytes" create st/b --gold g --size 1000
says "a store that is not active" "store 'nope' is not active" create nope/b --gold g
same "none was made" 1 "$(message list snapshot | wc -l)"
says "a gold image that looks like another" "both look like the gold image 'g'" activate st/a
says "a device that is not it" "its size is" activate st/a --gold-device "$fs"
ok "a device that is named" "$SOSNAP" activate st/a --gold-device "$gold"
ok "which is then taken for all" "$SOSNAP" create st/b --gold g --activate --quiet
same "it is the one" "$(< "/sys/class/block/${gold#/dev/}/dev")" \
	"$(dmsetup table st-b | cut -d' ' -f6)"
exec 9< $dm/st-a
says "one in use" "is in use: end that use first" deactivate st/a
says "removal of one in use" "is in use: end that use first" remove st/a --force --yes
exec 9<&-
must "$SOSNAP" deactivate --all st
losetup -d "$changed"
gold_file=$(losetup --noheadings --output BACK-FILE "$gold")
losetup -d "$gold"
says "no device with the gold image" "no block device holds the gold image 'g'" activate st/a
must dmsetup create st-a --notable
gold=$(losetup --find --show --read-only "$gold_file")
says "a device of this name" "there is another device of this name" activate st/a
must dmsetup remove st-a
must dmsetup create hand --table "0 $gold_sectors sosnap $dm/st 1 $gold"
says "one that was activated by hand" "that this tool did not make" deactivate st/a
says "again" "the kernel says: snapshot is active already" activate st/a
must dmsetup remove hand

# --- a store that is read-only --------------------------------------------------------

must "$SOSNAP" store deactivate st
must "$SOSNAP" store activate "$low" --read-only
says "changes of a read-only store" "the kernel says: store is read-only" create st/c --gold g
must "$SOSNAP" store deactivate st
finish
