#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# With udevd running, devices are made through it: no command hangs or leaves a
# cookie, and the host does not look into snapshots, which hold the same
# filesystem as their gold image.
# shellcheck disable=SC2317 # functions that are called by name
. "$(dirname "$0")/lib.sh"
udevd=/lib/systemd/systemd-udevd
needs udevadm mke2fs "$udevd"

# quick TEXT COMMAND...: within a minute
quick()
{
	ok "$1" timeout 60 "${@:2}"
}

no_cookie_left()
{
	[ "$(dmsetup udevcookies | wc -l)" = 1 ]
}

links_to_dm()
{
	find /dev/disk/by-uuid /dev/disk/by-label -lname '*dm-*' 2> /dev/null
}

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
udevadm trigger --subsystem-match=block
udevadm settle --timeout=60

new_bare_low 64M
fs=$(new_loop 8M)
must mke2fs -q -L sosnap-gold "$fs"
uuid=$(blkid -p -s UUID -o value "$fs")
quick "store create" "$SOSNAP" store create "$low" --name st
quick "store activate" "$SOSNAP" store activate "$low"
ok "its node is made by udev" test -L $dm/st
quick "gold add" "$SOSNAP" gold add st "$fs" --name g
quick "create and activate several" "$SOSNAP" create st/a st/b st/c --gold g --activate
ok "their nodes are there at once" test -L $dm/st-a -a -L $dm/st-b -a -L $dm/st-c
ok "no cookie is left" no_cookie_left
ok "a snapshot holds the filesystem" test "$(blkid -p -s UUID -o value $dm/st-b)" = "$uuid"
udevadm settle --timeout=60
same "no link leads to a snapshot" "" "$(links_to_dm)"
same "udev did not look into it" "" "$(udevadm info $dm/st-a | grep ID_FS)"
udevadm trigger --subsystem-match=block
udevadm settle --timeout=60
same "nor when it is told to look at all again" "" "$(links_to_dm)"

must mount $dm/st-a /mnt
touch /mnt/file
not_ok "one that is mounted is not deactivated" timeout 60 "$SOSNAP" deactivate --all st
ok "the others are" test ! -e $dm/st-b -a ! -e $dm/st-c
ok "no cookie is left by that" no_cookie_left
must umount /mnt
quick "rename" "$SOSNAP" rename st/a d
ok "the node follows" test -L $dm/st-d -a ! -e $dm/st-a
quick "remove an active one" "$SOSNAP" remove st/d --force --yes
ok "its node is gone" test ! -e $dm/st-d
quick "store deactivate" "$SOSNAP" store deactivate st --force
ok "no cookie is left at the end" no_cookie_left
finish
