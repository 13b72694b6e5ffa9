#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Reads racing with a first write, with a discard and with the removal of other
# snapshots, whose blocks are given to new ones: every sector read is the old
# or the new one, and once new never old again.
. "$(dirname "$0")/lib.sh"
needs

setup 16M 64M
snap_new a
snap_up a
ok "reads and a first write" "$BLK" race read $dm/st-a 0 30
ok "reads and a discard of gold" "$BLK" race read-discard $dm/st-a 1024 30

# what is read from a is a's, whoever gets the blocks that others lose
must "$BLK" write $dm/st-a 30000 512 7
must message commit
(while "$BLK" check $dm/st-a 30000 512 7; do :; done) > "$tmp/reader" 2>&1 &
reader=$!
for i in 1 2 3 4 5 6; do
	snap_new "x$i"
	snap_up "x$i"
	must "$BLK" each "$dm/st-x$i" 0 64 128 60 "$((100 + i))"
	[ "$i" = 1 ] || ok "x$i has what it wrote" "$BLK" check "$dm/st-x$i" 128 64 "$((100 + i))"
	ok "x$i has gold elsewhere" "$BLK" check "$dm/st-x$i" 64 64 gold
	snap_down "x$i"
	ok "x$i is removed" message remove "x$i"
done
ok "the reader has seen nothing else" kill -0 "$reader"
cat "$tmp/reader"
stop "$reader"
ok "all blocks of the removed ones come back" wait_removed
same "what is left is a's" "$(snap_field a 4)" "$(store_field 6)"
finish
