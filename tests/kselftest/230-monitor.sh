#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# The monitor: a store that a guest fills grows by itself, up to what the
# administrator allows, and only then is full; disposable snapshots go, the
# oldest first, and no others; what happens is told; an idle host wakes nobody.
. "$(dirname "$0")/lib.sh"
needs

conf=$tmp/monitor.conf said=$tmp/said

monitor()
{
	"$SOSNAP" monitor --config "$conf" "$@" >> "$said" 2>&1 &
	pid=$!
}

says()
{
	local i

	for ((i = 0; i < 100; i++)); do
		! grep -qF -e "$1" "$said" || return 0
		sleep 0.1
	done
	sed 's/^/  /' "$said"
	return 1
}

switches()
{
	awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$pid/status"
}

new_gold 64M
low=$(new_loop 24M)
disk=$low
wipe "$disk"
must "$SOSNAP" store create "$low" --name st --journal 1M
store_up queue_if_no_space no_space_timeout 3
gold_add
for name in old1 old2 keep used; do
	snap_new $name
	snap_up $name
	must "$BLK" each $dm/st-$name 0 8 8 300 1 flush
done
snap_down old1 old2 keep
snap_new a
snap_up a

# wrong ones
printf '[st]\ngrow_by = 8M\n' > "$conf"
not_ok "half a policy is refused" "$SOSNAP" monitor --once --config "$conf"
printf '[st]\nhigh_watermark = 120\n' > "$conf"
not_ok "a wrong value is refused" "$SOSNAP" monitor --once --config "$conf"
not_ok "a file that is not there, too" "$SOSNAP" monitor --once --config "$conf.none"

# one that only watches
: > "$conf"
monitor st
ok "it says what it watches" says "store st: active:"
kill "$pid"
wait "$pid" 2> /dev/null

# growing
printf '[st]\nhigh_watermark = 70 # percent\ngrow_by = 8M\nmax_size = 48M\n' > "$conf"
: > "$said"
monitor
ok "it starts" says "store st: active:"
sleep 1.5
before=$(switches)
sleep 3
same "an idle store wakes nobody" "$before" "$(switches)"
same "nothing was grown" 6144 "$(store_field 5)"
written=$("$BLK" each $dm/st-a 0 8 8 4000 2 flush && echo all)
same "a guest writes more than the store had" all "$written"
ok "it was told" says "store st: low on space"
ok "the device was made larger" says "made its device $low larger, from 24M to 32M"
ok "the store, too" says "grew store st from 24M to 32M"
ok "what was written is there" "$BLK" check $dm/st-a 0 32000 2
more=$("$BLK" each $dm/st-a 32000 8 8 12000 2 until-full)
ok "more than once" says "grew store st from 32M to 40M"
same "it ends at what is allowed" 12288 "$(store_field 5)"
at_least "which was used" 3000 "$more"
ok "that is told" says "no policy gives it more"
ok "so is that it is full" says "store st: full"
same "all snapshots are there" "a keep old1 old2 used" \
	"$(message list snapshot | cut -d' ' -f2 | sort | xargs)"

# disposable ones, once they may be removed
must message set old2 disposable 1
must message set used disposable 1
must "$SOSNAP" set st/old1 disposable on
same "those that are, by age" "old1 old2 used" "$(message list disposable | xargs)"
printf '[*]\nhigh_watermark = 96\nremove_disposable = yes\n' > "$conf"
kill -HUP "$pid"
ok "the oldest is removed" says "removed disposable snapshot old1"
ok "the next, too" says "removed disposable snapshot old2"
sleep 0.5
same "not one that is in use, nor any other" "a keep used" \
	"$(message list snapshot | cut -d' ' -f2 | sort | xargs)"
ok "there is space again" "$BLK" each $dm/st-a 65536 8 8 100 3 flush
printf '[st' > "$conf"
kill -HUP "$pid"
ok "a wrong file is told" says "line 1: a section is"
ok "and the monitor goes on" kill -0 "$pid"

store_down
ok "it tells when a store goes" says "store st: not active any more"
ok "it is clean" store_check

# a volume of LVM: what is called, and with what
kill "$pid"
wait "$pid" 2> /dev/null
half="0 $(to_sectors 48M) linear $low 0"
cat > "$tmp/lvextend" << END
#!/bin/bash
echo "\$*" >> $tmp/lvextend.args
printf '%s\n' "$half" "$(to_sectors 48M) $(to_sectors 16M) linear $(new_loop 16M) 0" |
	dmsetup load vg-lv && dmsetup resume vg-lv
END
chmod +x "$tmp/lvextend"
must dmsetup create vg-lv --uuid LVM-0123456789 --table "$half"
low=$dm/vg-lv
printf '[st]\ngrow_by = 16M\nmax_size = 64M\n' > "$conf"
store_up
: > "$said"
ok "a volume grows" env PATH="$tmp:$PATH" "$SOSNAP" monitor --once --config "$conf"
same "by lvextend" "--yes --size 67108864b $low" "$(cat "$tmp/lvextend.args")"
same "and the store with it" 16384 "$(store_field 5)"
finish
