#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Growing a store whose device became larger, with I/O running: writes that wait
# for space go on, nothing is lost, and what a power cut leaves has the old or
# the new size, whole. Over the border of regions, too.
. "$(dirname "$0")/lib.sh"
needs

blocks_of()
{
	echo $(($(to_sectors "$1") / 8))
}

wait_full()
{
	local i

	for ((i = 0; i < 200; i++)); do
		[ "$(store_field 1)" != full ] || return 0
		sleep 0.1
	done
	return 1
}

new_gold 64M
disk=$(scratch 0 192M) || exit 1
wipe "$disk"
low=$dm/low
must dmsetup create low --table "0 $(to_sectors 24M) linear $disk 0"
new_store 24M 1M
store_up queue_if_no_space no_space_timeout 0
gold_add
snap_new a
snap_new b
snap_new c
snap_up a b c

same "a store that uses all is left alone" "$(blocks_of 24M)" "$(message grow)"
not_ok "an argument is refused" message grow 100
not_ok "a filesystem is no store" "$SOSNAP" store grow other

# full, with a writer that waits
"$BLK" each $dm/st-a 0 8 8 12000 1 flush > "$tmp/a.out" 2>&1 &
writer=$!
ok "a writer fills the store" wait_full
sleep 0.2
ok "and waits" kill -0 "$writer"
length 40M
same "the device says so, the store does not grow by itself" "$(blocks_of 24M)" "$(store_field 5)"
same "status tells of it" "$((40 << 20))" \
	"$("$SOSNAP" --json store status st | grep -o '"device_size": *[0-9]*' | grep -o '[0-9]*$')"
"$SOSNAP" store status st > "$tmp/status"
ok "in words, too" grep -q "16M more: 'sosnap store grow st'" "$tmp/status"
ok "store grow, dry" "$SOSNAP" --dry-run store grow st
same "changes nothing" "$(blocks_of 24M)" "$(store_field 5)"
ok "store grow" "$SOSNAP" store grow st
same "the store has the new size" "$(blocks_of 40M)" "$(store_field 5)"
same "so has its table" "$(to_sectors 40M)" "$(dmsetup table st | cut -d' ' -f2)"
same "with the options it had" 1 "$(dmsetup table st | grep -c 'no_space_timeout 0')"
ok "the writer runs into the end again" wait_full
ok "and still waits" kill -0 "$writer"

# a second time, under load, by the message alone
"$MODEL" run $dm/st-b --model "$tmp/b" --gold-sectors "$gold_sectors" --threads 2 --seconds 4 \
	> "$tmp/run.out" 2>&1 &
model=$!
length 130M
same "grow replies the new size" "$(blocks_of 130M)" "$(message grow)"
ok "the writer ends" wait "$writer"
ok "with what it wrote" "$BLK" check $dm/st-a 0 96000 1
ok "others, too" wait "$model"
cat "$tmp/run.out"
ok "nothing is lost" "$MODEL" verify $dm/st-b --model "$tmp/b"
same "full no more" rw "$(store_field 1)"
sum=$(md5sum < $dm/st-a)

# while checkpoints and commits run, block by block; then a power cut
must message commit
"$BLK" each $dm/st-c 0 8 16 4000 3 flush > "$tmp/c.out" 2>&1 &
writer=$!
for ((i = 1; i <= 8; i++)); do
	length "$((130 * 1024 + i * 4))K"
	must message grow
done
same "grown by single blocks" "$(($(blocks_of 130M) + 8))" "$(store_field 5)"
image=$(scratch 1 192M)
length 160M
message grow > "$tmp/grown" &
grower=$!
crash_image "$image"
ok "grow under a power cut" wait "$grower"
ok "the writer goes on" wait "$writer"
crash_to "$image"
store_up
size=$(store_field 5)
ok "the cut leaves the old or the new size" \
	test "$size" = "$(($(blocks_of 130M) + 8))" -o "$size" = "$(blocks_of 160M)"
echo "  it has $size blocks"
snap_up a b c
same "and what was flushed" "$sum" "$(md5sum < $dm/st-a)"
ok "old or new" old_or_new c 0 8000 3
same "grow can be repeated" "$(blocks_of 160M)" "$(message grow)"
must "$BLK" each $dm/st-b 0 8 8 $((gold_sectors / 8)) 4 flush
ok "all of it can be written" "$BLK" check $dm/st-b 0 "$gold_sectors" 4
store_down
ok "it is clean at the new size" store_check

# smaller again is refused, larger is not looked at
must dmsetup load low --table "0 $(to_sectors 150M) linear $disk 0"
must dmsetup resume low
refused "a device that became smaller" "smaller than the store" \
	dmsetup create st --table "0 100 sosnap-store $low"
length 170M
store_up
same "one that is larger is used as far as the store goes" "$(blocks_of 160M)" "$(store_field 5)"
finish
