#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# With udevd running and our rules installed, devices are made through it: no
# command hangs or leaves a cookie, and the host does not look into snapshots,
# which hold the same partitions, filesystems and volumes as their gold image:
# a hundred of them bring no duplicate.
# shellcheck disable=SC2317 # functions that are called by name
. "$(dirname "$0")/lib.sh"
udevd=/lib/systemd/systemd-udevd
needs udevadm mke2fs sfdisk lvm "$udevd"
rules=/run/udev/rules.d

# quick TEXT COMMAND...: ends; without udev's answer it would wait for ever
quick()
{
	ok "$1" timeout 240 "${@:2}"
}

no_cookie_left()
{
	[ "$(dmsetup udevcookies | wc -l)" = 1 ]
}

links_to_dm()
{
	find /dev/disk/by-uuid /dev/disk/by-label -lname '*dm-*' 2> /dev/null
}

# property DEVICE NAME: what udev knows of it
property()
{
	udevadm info --query=property --property="$2" --value "$1"
}

# snapshot_links: how many there are
snapshot_links()
{
	find /dev/sosnap -type l ! -name @store 2> /dev/null | wc -l
}

# The rules, and the tool where they look for it
mkdir -p "$rules"
cp "$SOSNAP_TOP"/userspace/udev/*.rules "$rules/"
sed -i "s,/usr/sbin/sosnap,$SOSNAP," "$rules"/*sosnap*.rules
drop_rules()
{
	rm -f "$rules"/*sosnap*.rules
	cleanup
}
trap drop_rules EXIT
unset DM_DISABLE_UDEV
if [ ! -e /run/udev/control ]; then
	"$udevd" > "$tmp/udevd.log" 2>&1 &
	udevd_pid=$!
	stop_udevd()
	{
		kill "$udevd_pid"
		rm -rf /run/udev
		cleanup
	}
	trap stop_udevd EXIT
	for ((i = 0; i < 100; i++)); do
		[ ! -e /run/udev/control ] || break
		sleep 0.1
	done
fi
must udevadm control --reload
udevadm trigger --subsystem-match=block
udevadm settle --timeout=60

new_bare_low 64M
fs=$(new_loop 8M)
must mke2fs -q -L sosnap-gold "$fs"
udevadm settle --timeout=60
same "a device without a store is none" "" "$(property "$low" ID_FS_TYPE)"
uuid=$(blkid -p -s UUID -o value "$fs")
quick "store create" "$SOSNAP" store create "$low" --name st
must udevadm trigger --action=change --settle "$low"
same "a store is recognised" sosnap_store "$(property "$low" ID_FS_TYPE)"
same "with its name" st "$(property "$low" ID_FS_LABEL_ENC)"
store_uuid=$(property "$low" ID_FS_UUID)
ok "and by a link" test /dev/disk/by-id/sosnap-store-"$store_uuid" -ef "$low"
same "made by hand, it is not activated" "" "$(property "$low" SYSTEMD_WANTS)"
must udevadm trigger --action=remove --settle "$low"
must udevadm trigger --action=add --settle "$low"
same "found at boot, it is" "sosnap-store@$store_uuid.service" "$(property "$low" SYSTEMD_WANTS)"
quick "store activate" "$SOSNAP" store activate "$low"
ok "its node is made by udev" test -L $dm/st
quick "gold add" "$SOSNAP" gold add st "$fs" --name g
quick "create and activate several" "$SOSNAP" create st/a st/b st/c --gold g --activate
ok "their nodes are there at once" test -L $dm/st-a -a -L $dm/st-b -a -L $dm/st-c
ok "the store has its link" test /dev/sosnap/st/@store -ef $dm/st
ok "and by their names" test /dev/sosnap/st/b -ef $dm/st-b -a "$(snapshot_links)" = 3
ok "no cookie is left" no_cookie_left
ok "a snapshot holds the filesystem" test "$(blkid -p -s UUID -o value $dm/st-b)" = "$uuid"
udevadm settle --timeout=60
same "no link leads to a snapshot" "" "$(links_to_dm)"
same "udev did not look into it" "" "$(udevadm info $dm/st-a | grep ID_FS)"
udevadm trigger --subsystem-match=block
udevadm settle --timeout=60
same "nor when it is told to look at all again" "" "$(links_to_dm)"
must udevadm trigger --action=add --settle $dm/st-a
same "a snapshot is ready for systemd also then" 1 "$(property $dm/st-a SYSTEMD_READY)"
ok "and has its links" test -L $dm/st-a -a -L /dev/sosnap/st/a

must mount $dm/st-a /mnt
touch /mnt/file
not_ok "one that is mounted is not deactivated" timeout 60 "$SOSNAP" deactivate --all st
ok "the others are" test ! -e $dm/st-b -a ! -e $dm/st-c
ok "no cookie is left by that" no_cookie_left
must umount /mnt
quick "set read-only" "$SOSNAP" set st/a read-only on
must udevadm settle
ok "its links stay" test /dev/sosnap/st/a -ef $dm/st-a -a -L $dm/st-a
quick "and writable" "$SOSNAP" set st/a read-only off
must udevadm settle
ok "they stay again" test /dev/sosnap/st/a -ef $dm/st-a -a -L $dm/st-a
quick "rename" "$SOSNAP" rename st/a d
ok "the node follows" test -L $dm/st-d -a ! -e $dm/st-a
ok "its link too" test /dev/sosnap/st/d -ef $dm/st-d -a ! -e /dev/sosnap/st/a
quick "remove an active one" "$SOSNAP" remove st/d --force --yes
ok "its node is gone" test ! -e $dm/st-d
same "and its link" 0 "$(snapshot_links)"

# A disk with a table, a filesystem and a volume: its partitions are the host's
# own, those in the copies must stay unseen.
truncate -s 64M "$tmp/loop.disk"
must sfdisk -q "$tmp/loop.disk" \
	<<< $'label: gpt\nsize=16M, name=sosnap-part\nsize=40M, type=lvm\n'
disk_image=$(losetup --find --show --partscan "$tmp/loop.disk")
udevadm settle --timeout=60
must mke2fs -q -L sosnap-disk "${disk_image}p1"
must lvm pvcreate -qq "${disk_image}p2"
must lvm vgcreate -qq sosnaptest "${disk_image}p2"
udevadm settle --timeout=60
quick "gold add of a disk" "$SOSNAP" gold add st "$disk_image" --name disk
many=$(printf 'st/disk-%d ' {1..100})
# shellcheck disable=SC2086 # words
ok "create and activate a hundred" timeout 400 "$SOSNAP" create $many --gold disk --activate --quiet
ok "no cookie is left by them" no_cookie_left
same "they have their links" 100 "$(snapshot_links)"
ok "by the right names" test /dev/sosnap/st/disk-77 -ef $dm/st-disk--77
same "no link leads to one of them" "" "$(links_to_dm)"
same "their partitions are not scanned" 1 "$(find /dev/disk/by-partlabel -name sosnap-part 2> /dev/null | wc -l)"
same "no partition of theirs is there" "" "$(dmsetup ls | grep -E 'disk--[0-9]+p?-?[0-9]*p[0-9]')"
lvm pvs --noheadings -o pv_name > "$tmp/pvs" 2> "$tmp/pvs.err"
same "LVM sees one volume" "${disk_image}p2" "$(tr -d ' ' < "$tmp/pvs")"
same "and warns of no other" "" "$(grep -iE 'duplicate|warning|prefer' "$tmp/pvs.err")"
same "the filesystem is the gold image's" "${disk_image}p1" "$(blkid -L sosnap-disk)"
must lvm vgchange -qq -an sosnaptest

# A volume on the whole disk: LVM looks by itself, and is told by its filter.
quick "deactivate them" "$SOSNAP" deactivate --all st --quiet
same "their links are gone" 0 "$(snapshot_links)"
bare=$(new_loop 16M)
must lvm pvcreate -qq "$bare"
quick "gold add of a volume" "$SOSNAP" gold add st "$bare" --name pv
quick "two snapshots of it" "$SOSNAP" create st/p1 st/p2 --gold pv --activate --quiet
lvm pvs --noheadings -o pv_name --config 'devices { global_filter = [ "r|^/dev/sosnap/|" ] }' \
	> "$tmp/pvs" 2> "$tmp/pvs.err"
ok "LVM with the filter sees it once" test "$(grep -c "$bare" "$tmp/pvs")" = 1
same "no snapshot of it" "" "$(grep -e "$dm" -e sosnap/ "$tmp/pvs")"
same "and warns of nothing" "" "$(grep -iE 'duplicate|warning|prefer' "$tmp/pvs.err")"

quick "store deactivate" "$SOSNAP" store deactivate st --force
same "no link is left" "" "$(find /dev/sosnap -type l 2> /dev/null)"
ok "no cookie is left at the end" no_cookie_left
finish
