#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Every command of the tool, from an empty disk to an empty disk.
. "$(dirname "$0")/lib.sh"
needs

# json COMMAND... KEY: the first value of this key in what the command prints
json()
{
	"$SOSNAP" "${@:1:$#-1}" --json | sed 's/[,{}]/\n/g' |
		sed -n "s/^ *\"${!#}\": \"\?\([^\"]*\)\"\?\$/\1/p" | head -n 1
}

# prints TEXT WORDS COMMAND...: succeeds, and the words are in what it prints
prints()
{
	local text=$1 words=$2 rc=0

	shift 2
	"$@" > "$tmp/prints.out" 2>&1 || rc=1
	grep -qF -e "$words" "$tmp/prints.out" || rc=1
	[ "$rc" = 0 ] || sed 's/^/  /' "$tmp/prints.out"
	verdict "$rc" "$text"
}

# keys COMMAND...: the keys of the JSON that it prints, in their order, once each
keys()
{
	"$SOSNAP" "$@" --json | grep -o '"[a-z_0-9]*":' | tr -d '":' | awk '!seen[$0]++' | paste -sd' '
}

new_gold 8M
new_bare_low 64M

# --- stores ---------------------------------------------------------------------

prints "store create" "created store st on $low" "$SOSNAP" store create "$low" --name st
prints "an inactive store is listed" "inactive" "$SOSNAP" store list
prints "store activate, dry" "would do: dmsetup create st" "$SOSNAP" --dry-run store activate st
not_ok "changes nothing" dmsetup info st
prints "store activate by name" "activated store st" "$SOSNAP" store activate st
prints "again is fine" "active already" "$SOSNAP" store activate st
same "store list" "active" "$(json store list state)"
same "store status" "st" "$(json store status st name)"
prints "store status for people" "Journal:" "$SOSNAP" store status

# --- gold images ------------------------------------------------------------------

prints "gold add, dry" "gold_add g $gold_sectors" "$SOSNAP" gold add st "$gold" --name g --dry-run
prints "gold add" "added gold image g" "$SOSNAP" gold add st "$gold" --name g
same "with its SHA-256" "$(sha256sum < "$gold" | cut -d' ' -f1)" "$(json gold list st sha256)"
same "and its samples" "$("$BLK" sample-crc "$gold")" "$(json gold list st sample_crc)"
prints "gold verify" "SHA-256 are the same" "$SOSNAP" gold verify st g
prints "gold verify of a device" "SHA-256 are the same" "$SOSNAP" gold verify st g "$gold"

# --- snapshots --------------------------------------------------------------------

prints "create, dry" "create a g $gold_sectors" "$SOSNAP" create st/a --gold g --dry-run
prints "create several" "created st/b-1" "$SOSNAP" create st/a st/b-1 st/c --gold g
prints "create again if missing" "there is already" "$SOSNAP" create st/a --gold g --if-missing
ok "create a longer one, and activate it" \
	"$SOSNAP" create st/long --gold g --size 20M --activate --quiet
same "its device is as long" "40960" "$(sectors_of $dm/st-long)"
prints "activate, dry" "sosnap $dm/st 1 $gold" "$SOSNAP" activate st/a --dry-run
prints "activate finds the gold image" "$dm/st-b--1" "$SOSNAP" activate st/a st/b-1
ok "the device reads as the gold image" "$BLK" check $dm/st-a 0 "$gold_sectors" gold
must "$BLK" write $dm/st-a 0 2048 1
prints "list" "st/a" "$SOSNAP" list st
prints "with the share of the gold image" "12.5%" "$SOSNAP" list st
same "list tells what full copies would take" $((4 * gold_sectors * 512)) \
	"$(json list st full_copies)"
same "status tells what has changed" "1048576" "$(json status st/a changed)"
# What Documentation/json.md promises
snap_keys="name size changed changed_percent quota reservation gold origin state auto id created uuid ancestors disposable read_only lossy"
same "the keys of list" "stores store snapshots $snap_keys total full_copies used saved_percent free" \
	"$(keys list st)"
same "the keys of status" "snapshots store name state device opens size changed changed_percent quota reservation gold gold_size auto disposable read_only lossy map_memory created id uuid" \
	"$(keys status st/a)"
same "the keys of store status" "stores name state uuid device size device_size used used_percent data metadata free reserved kept removing shrinks_to beyond golds snapshots journal journal_used pending_records generation map_memory" \
	"$(keys store status st)"
for key in $(keys list st) $(keys status st/a) $(keys store status st) $(keys store list) $(keys gold list st); do
	grep -qw -- "$key" "$SOSNAP_TOP/Documentation/json.md" || echo "$key"
done > "$tmp/missing"
same "are all described" "" "$(cat "$tmp/missing")"

# --- watching -----------------------------------------------------------------------

"$SOSNAP" status --watch 4 --count 2 > "$tmp/watch" &
watch=$!
for ((i = 0; i < 300; i++)); do
	! grep -q '^st/long' "$tmp/watch" || break
	sleep 0.1
done
must "$BLK" write $dm/st-a 0 2048 1
ok "status --watch ends by itself" wait "$watch"
same "it has shown both tables" 2 "$(grep -c '^store st: active' "$tmp/watch")"
same "with every snapshot" 8 "$(grep -c '^st/' "$tmp/watch")"
same "in a pipe it does not steer a terminal" "" "$(grep $'\e' "$tmp/watch")"
same "and tells what is written" "" "$(awk '/^SNAPSHOT/ { n++ }
	n == 2 && $1 == "st/a" && $7 !~ /^[0-9.]+[KM]$/' "$tmp/watch")"
ok "a reader that has enough ends it" timeout 20 sh -c "'$SOSNAP' status --watch 1 | head -n 1"
"$SOSNAP" status --prometheus > "$tmp/metrics"
ok "status --prometheus is what Prometheus reads" \
	sh -c "python3 '$SOSNAP_TOP/tests/cli/prometheus.py' < '$tmp/metrics'"
ok "with the right numbers" grep -qx 'sosnap_snapshot_changed_bytes{store="st",snapshot="a",gold="g"} 1048576' \
	"$tmp/metrics"

prints "status for people" "Device:                 $dm/st-b--1" "$SOSNAP" status st/a st/b-1
prints "rename of an active one" "renamed st/b-1 to st/b" "$SOSNAP" rename st/b-1 b
ok "its device follows" test -b $dm/st-b
not_ok "and has left its old name" test -e $dm/st-b--1
prints "set" "set auto of st/b on" "$SOSNAP" set st/b auto on

# --- snapshots of snapshots ---------------------------------------------------------

prints "snapshot, dry" "snapshot a a2" "$SOSNAP" snapshot st/a st/a2 --dry-run
not_ok "which makes none" "$SOSNAP" status st/a2
prints "snapshot of an active one" "made st/a2 of st/a" "$SOSNAP" snapshot st/a st/a2 --activate
ok "it holds the same" "$BLK" check $dm/st-a2 0 2048 1
must "$BLK" write $dm/st-a 0 8 2
ok "and keeps it" "$BLK" check $dm/st-a2 0 2048 1
same "list says what it is of" "a" "$("$SOSNAP" list st --json | sed 's/[,{}]/\n/g' |
	sed -n 's/.*"origin": "\([^"]*\)".*/\1/p' | head -n 1)"
prints "several at once" "made st/b2 of st/b" "$SOSNAP" snapshot st/a st/a3 st/b st/b2
not_ok "half a pair" "$SOSNAP" snapshot st/a
not_ok "of two stores" "$SOSNAP" snapshot st/a other/a4
not_ok "rollback asks" "$SOSNAP" rollback st/a --to a2
prints "rollback" "rolled st/a back to st/a2" "$SOSNAP" rollback st/a --to a2 --yes
ok "it holds what it was" "$BLK" check $dm/st-a 0 2048 1
must "$BLK" write $dm/st-a2 0 8 2
not_ok "refresh asks" "$SOSNAP" refresh st/a2
prints "refresh" "looks like gold image g" "$SOSNAP" refresh st/a2 --yes
ok "it does" "$BLK" check $dm/st-a2 0 "$gold_sectors" gold
must dmsetup suspend st-a2
prints "a suspended one goes on" "resumed st/a2" "$SOSNAP" activate st/a2
ok "remove them" "$SOSNAP" remove st/a2 st/a3 st/b2 --yes --force --quiet
ok "which leaves the rest as it was" "$BLK" check $dm/st-a 0 2048 1

prints "activate --all takes the rest" "activated st/c" "$SOSNAP" activate --all st
not_ok "a store in use is not deactivated" "$SOSNAP" store deactivate st
prints "deactivate one" "deactivated st/c" "$SOSNAP" deactivate st/c
prints "deactivate --all" "deactivated st/a" "$SOSNAP" deactivate --all st
prints "store deactivate" "deactivated store st" "$SOSNAP" store deactivate st
prints "again is fine" "not active" "$SOSNAP" store deactivate st
ok "store check" "$SOSNAP" store check "$low"
same "store check as JSON" "true" "$(json store check "$low" clean)"
prints "store dump" "gold images" "$SOSNAP" store dump "$low"

# --- again ------------------------------------------------------------------------

prints "store activate by device starts what is set to" "activated st/b" \
	"$SOSNAP" store activate "$low"
not_ok "and not the others" test -e $dm/st-a
prints "activate read-only" "activated st/a" "$SOSNAP" activate st/a --read-only
same "state" "read-only" "$(json status st/a state)"
ok "what was written is there" "$BLK" check $dm/st-a 0 2048 1
not_ok "and cannot be written" "$BLK" write $dm/st-a 0 8 2
prints "deactivate with force" "deactivated store st" "$SOSNAP" store deactivate st --force
ok "store activate read-only" "$SOSNAP" store activate "$low" --read-only
same "state" "read-only" "$(json store status st state)"
same "its snapshots are" "read-only" "$(json status st/b state)"
ok "store deactivate" "$SOSNAP" store deactivate st --force
ok "store activate with every option" "$SOSNAP" store activate st --no-snapshots \
	--no-space error --no-space-timeout 5 --map-memory 1M --low-water 1M --no-discard-passdown
prints "they are in the table" \
	"error_if_no_space no_space_timeout 5 map_memory 1 low_water 256 no_discard_passdown" \
	dmsetup table st

# --- many, and none -----------------------------------------------------------------

many=$(printf 'st/m%d ' {1..200})
# shellcheck disable=SC2086 # words
ok "create 200 at once" "$SOSNAP" create $many --gold g --quiet
same "they are there" "204" "$(json store status st snapshots)"
# shellcheck disable=SC2086 # words
not_ok "create of which one exists makes none" "$SOSNAP" create st/z1 $many st/z2 --gold g
same "as before" "204" "$(json store status st snapshots)"
# shellcheck disable=SC2086 # words
ok "remove them at once" "$SOSNAP" remove --yes --quiet $many
same "they are gone" "4" "$(json store status st snapshots)"

not_ok "gold remove with snapshots" "$SOSNAP" gold remove st g
ok "activate" "$SOSNAP" activate st/a
not_ok "remove asks" "$SOSNAP" remove st/c
not_ok "remove of an active one" "$SOSNAP" remove st/a st/b --yes
same "all are there" "4" "$(json store status st snapshots)"
prints "remove, dry" "remove a b" "$SOSNAP" remove st/a st/b --dry-run --force
prints "remove with force" "removed st/b" "$SOSNAP" remove st/a st/b st/c st/long --yes --force
not_ok "its device is gone" test -e $dm/st-a
not_ok "remove again" "$SOSNAP" remove st/a --yes
ok "remove again if it exists" "$SOSNAP" remove st/a --yes --if-exists
prints "gold remove" "removed gold image g" "$SOSNAP" gold remove st g
ok "gold remove if it exists" "$SOSNAP" gold remove st g --if-exists
wait_removed
same "nothing is left" "0 0 0" "$(store_field 6) $(store_field 13) $(store_field 14)"
ok "store deactivate" "$SOSNAP" store deactivate st
finish
