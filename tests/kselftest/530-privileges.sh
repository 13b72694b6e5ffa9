#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Without CAP_SYS_ADMIN nobody creates, changes or messages a store, be it as
# root or with the device nodes open to all.
. "$(dirname "$0")/lib.sh"
needs setpriv

setup 4M 32M
snap_new a
snap_up a
before="$(message list gold) $(message list snapshot)"
table="0 $gold_sectors sosnap $dm/st 1 $gold"

# root that has given the capability up, and somebody else
without()
{
	setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"
}
nobody()
{
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"
}
with()
{
	setpriv --bounding-set=-net_admin "$@"
}

chmod 666 /dev/mapper/control
for who in without nobody; do
	not_ok "$who: create" $who dmsetup message st 0 create x g 8
	not_ok "$who: remove" $who dmsetup message st 0 remove a
	not_ok "$who: gold_add" $who dmsetup message st 0 gold_add h 8 00000000 -
	not_ok "$who: list" $who dmsetup message st 0 list snapshot
	not_ok "$who: commit" $who dmsetup message st 0 commit
	not_ok "$who: a device" $who dmsetup create st-x --table "$table"
	not_ok "$who: a new table" $who dmsetup load st-a --table "$table"
	not_ok "$who: suspend" $who dmsetup suspend st-a
	not_ok "$who: removal of a device" $who dmsetup remove st-a
	not_ok "$who: status" $who dmsetup status st
done
chmod 600 /dev/mapper/control
same "nothing has changed" "$before" "$(message list gold) $(message list snapshot)"
ok "with it, another capability missing: create" with dmsetup message st 0 create x g 8
ok "and list" with dmsetup message st 0 list snapshot
finish
