# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# lib.sh - what the cases share; each sources it first.
#
# A case makes a store on a scratch disk and uses it through the documented
# interface: table lines, messages and status lines, by dmsetup alone.  (Only
# formatting and checking a store are the tool's.)  It states what must hold
# with the words below, each of which prints a KTAP line, and ends with `finish`:
# that takes everything down, and the store must then pass `sosnap store check`.
#
#	needs PROGRAM...		skip without them
#	ok TEXT COMMAND...		the command must succeed
#	not_ok TEXT COMMAND...		it must fail
#	same TEXT WANT HAVE		two strings must be equal
#	at_most TEXT LIMIT NUMBER
#	refused TEXT REASON COMMAND...	it must fail, and the kernel log say REASON
#	finish
#
# Where things are: $gold, a read-only device of the gold pattern; $low, the
# store's device, a dm-linear on the scratch disk $disk (so that it can be small,
# and be suspended or replaced beneath the store); the store is dm device st,
# snapshot NAME is dm device st-NAME.
set -uo pipefail

SOSNAP_TOP=${SOSNAP_TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)}
SOSNAP=${SOSNAP:-$SOSNAP_TOP/build/sosnap}
BLK=$SOSNAP_TOP/build/tests/blk
MODEL=$SOSNAP_TOP/build/tests/model
tmp=${SOSNAP_TMP:-$(mktemp -d)}
export DM_DISABLE_UDEV=${DM_DISABLE_UDEV:-1}
dm=/dev/mapper

checks=0 failures=0

# --- statements --------------------------------------------------------------

verdict()
{
	checks=$((checks + 1))
	if [ "$1" = 0 ]; then
		echo "ok $checks $2"
	else
		failures=$((failures + 1))
		echo "not ok $checks $2"
	fi
	return "$1"
}

ok()
{
	local text=$1 rc=0

	shift
	"$@" > "$tmp/ok.out" 2>&1 || rc=1
	[ "$rc" = 0 ] || sed 's/^/  /' "$tmp/ok.out" | head -n 20
	verdict "$rc" "$text"
}

not_ok()
{
	local text=$1 rc=0

	shift
	! "$@" > "$tmp/ok.out" 2>&1 || rc=1
	verdict "$rc" "$text"
}

same()
{
	local rc=0

	[ "$2" = "$3" ] || rc=1
	[ "$rc" = 0 ] || printf '  want: %s\n  have: %s\n' "$2" "$3"
	verdict "$rc" "$1"
}

at_most()
{
	local rc=0

	[ "$3" -le "$2" ] || { rc=1; echo "  at most $2, have $3"; }
	verdict "$rc" "$1"
}

at_least()
{
	local rc=0

	[ "$3" -ge "$2" ] || { rc=1; echo "  at least $2, have $3"; }
	verdict "$rc" "$1"
}

mark_log()
{
	log_marks=$((${log_marks:-0} + 1))
	log_mark="sosnap-test-mark $$ $log_marks"
	echo "$log_mark" > /dev/kmsg
}

log_since_mark()
{
	dmesg | awk -v mark="$log_mark" 'on { print } index($0, mark) { on = 1 }'
}

log_has()
{
	log_since_mark | grep -qF -e "$1"
}

refused()
{
	local text=$1 reason=$2 rc=0

	shift 2
	mark_log
	if "$@" > "$tmp/ok.out" 2>&1; then
		echo "  it was accepted"
		rc=1
	elif ! log_has "$reason"; then
		echo "  the kernel log does not say: $reason"
		log_since_mark | sed 's/^/  /' | head -n 10
		rc=1
	fi
	verdict "$rc" "$text"
}

# What goes wrong here is not the module's fault.
die()
{
	echo "  $*"
	exit 1
}

must()
{
	local out

	out=$("$@" 2>&1) || die "failed: $*: $out $(dmesg | grep 'device-mapper' | tail -n 2)"
}

skip()
{
	echo "1..0 # SKIP $*"
	exit 4
}

needs()
{
	local program

	[ "$(id -u)" = 0 ] || skip "needs root"
	for program in dmsetup blockdev losetup "$BLK" "$MODEL" "$SOSNAP" "$@"; do
		command -v "$program" > /dev/null || skip "needs $program"
	done
	[ -d /sys/module/dm_sosnap ] || skip "module dm-sosnap is not loaded"
}

# --- devices -----------------------------------------------------------------

sectors_of()
{
	blockdev --getsz "$1"
}

to_sectors()
{
	echo $(($(numfmt --from=iec "$1") / 512))
}

# The store's device "low" on $disk gets another length, while I/O goes on.
length()
{
	must dmsetup load low --table "0 $(to_sectors "$1") linear $disk 0"
	must dmsetup resume low --noflush
}

# A loop device over a file in memory.
new_loop()
{
	local file

	modprobe -q loop
	file=$(mktemp "$tmp/loop.XXXXXX")
	truncate -s "$1" "$file"
	losetup --find --show "${@:2}" "$file" || die "no loop device"
}

# Scratch disk number $1, of the machine or in memory, of at least size $2.
scratch()
{
	local disks

	read -ra disks <<< "${VM_DISKS:-}"
	if [ "$1" -lt "${#disks[@]}" ] &&
		[ "$(sectors_of "${disks[$1]}")" -ge "$(to_sectors "$2")" ]; then
		echo "${disks[$1]}"
	else
		new_loop "$2"
	fi
}

# gold_device SIZE [losetup option...]: a read-only one, with the gold pattern.
gold_device()
{
	local file

	modprobe -q loop
	file=$(mktemp "$tmp/loop.XXXXXX")
	truncate -s "$1" "$file"
	"$MODEL" gold "$file" || return 1
	losetup --find --show --read-only "${@:2}" "$file"
}

# The same, as gold and gold_sectors.
new_gold()
{
	gold=$(gold_device "$@") || die "no gold image"
	gold_sectors=$(sectors_of "$gold")
}

new_low()
{
	disk=$(scratch "${2:-0}" "$1") || exit 1
	wipe "$disk"
	low=$dm/low
	must dmsetup create low --table "0 $(to_sectors "$1") linear $disk 0"
}

# Nobody takes what an earlier case left for a store: neither superblock stays.
wipe()
{
	local dev

	for dev in ${VM_DISKS:-} "$1"; do
		must dd if=/dev/zero of="$dev" bs=512K count=4 oflag=direct conv=notrunc status=none
	done
}

# The whole disk as the store's device, with nothing in between.
new_bare_low()
{
	disk=$(scratch 0 "$1") || exit 1
	low=$disk
	wipe "$disk"
}

# new_store SIZE [JOURNAL SIZE]: formats one on a part of the first scratch disk.
new_store()
{
	[ -n "${low:-}" ] || new_low "$1"
	must "$SOSNAP" store create "$low" --name st ${2:+--journal "$2"}
}

# store_up [option...]
store_up()
{
	local args=''

	[ $# = 0 ] || args=" $# $*"
	must dmsetup create st --table "0 $(sectors_of "$low") sosnap-store $low$args"
}

# policy OPTION...: of a store that is in use
policy()
{
	must dmsetup load st --table "0 $(sectors_of "$low") sosnap-store $low $# $*"
	must dmsetup suspend st
	must dmsetup resume st
}

message()
{
	dmsetup message st 0 "$@"
}

# gold_add [NAME [DEVICE]]
gold_add()
{
	local dev=${2:-$gold}

	must message gold_add "${1:-g}" "$(sectors_of "$dev")" "$("$BLK" sample-crc "$dev")" -
}

# snap_new NAME [SECTORS [GOLD NAME]]
snap_new()
{
	must message create "$1" "${3:-g}" "${2:-$gold_sectors}"
}

snap_line()
{
	message show "$1"
}

snap_table()
{
	local line

	line=$(snap_line "$1") || return 1
	# shellcheck disable=SC2086 # words
	set -- $line
	echo "0 $3 sosnap $dm/st $1 ${snap_gold:-$gold}"
}

snap_up()
{
	local name

	for name; do
		must dmsetup create "st-$name" --table "$(snap_table "$name")"
	done
}

# A device that something is about to let go of may take a moment.
dm_remove()
{
	local i

	for ((i = 0; i < 200; i++)); do
		dmsetup remove "$1" 2> "$tmp/remove.err" && return 0
		sleep 0.1
	done
	cat "$tmp/remove.err"
	return 1
}

snap_down()
{
	local name

	for name; do
		dm_remove "st-$name" || die "st-$name cannot be removed"
	done
}

store_down()
{
	local name

	for name in $(dmsetup ls 2> /dev/null | awk '/^st-/ { print $1 }'); do
		dm_remove "$name" || die "$name cannot be removed"
	done
	if dmsetup info st > /dev/null 2>&1; then
		dm_remove st || die "st cannot be removed"
	fi
}

# renew NAME...: activates the store and these snapshots anew. No timer runs then that
# would have something merged while the device of the store is made to fail, and so
# have the store fail as well.
renew()
{
	store_down
	store_up
	snap_up "$@"
}

store_check()
{
	"$SOSNAP" store check "$low" > "$tmp/check.out" 2>&1 && return 0
	cat "$tmp/check.out"
	return 1
}

# What a power cut has left: it may have come between the two superblocks.
crash_check()
{
	store_check > "$tmp/crash.out" && return 0
	grep -qx 'damages: *1' "$tmp/check.out" && grep -qx 'mended by activation: *1' "$tmp/check.out" &&
		grep -q SUPER_COPY "$tmp/check.out" && return 0
	cat "$tmp/check.out"
	return 1
}

# Everything a case starts with, all at once: setup GOLD STORE [JOURNAL]
setup()
{
	new_gold "$1"
	new_store "$2" "${3:-}"
	store_up
	gold_add
}

# --- what a store says -------------------------------------------------------

# Field $1 (1 is the state) of the store's status line.
store_field()
{
	dmsetup status st | awk -v f="$1" '{ print $(f + 3) }'
}

snap_field()
{
	dmsetup status "st-$1" | awk -v f="$2" '{ print $(f + 3) }'
}

stat_of()
{
	message stats | sed -n "s/^$1=//p"
}

# Waits until a removal has given its blocks back.
wait_removed()
{
	local i

	for ((i = 0; i < 100; i++)); do
		[ "$(store_field 16)" != 0 ] || return 0
		must message checkpoint
		sleep 0.05
	done
	return 1
}

# under_way NAME COUNT: waits until at least so many requests to a snapshot are
under_way()
{
	local dev i reads=0 writes=0

	dev=$(dmsetup info -c --noheadings -o major,minor "st-$1") || return 1
	for ((i = 0; i < 600; i++)); do
		read -r reads writes < "/sys/dev/block/$dev/inflight"
		[ $((reads + writes)) -lt "$2" ] || return 0
		sleep 0.1
	done
	return 1
}

# stop PID...: ends jobs in the background, with what each is running at this moment:
# that would go on by itself and keep its device open
stop()
{
	local pid

	for pid; do
		kill -STOP "$pid"	# it begins nothing more
		pkill -KILL -P "$pid"
		kill -KILL "$pid"
	done 2> /dev/null
	wait "$@" 2> /dev/null
}

# Operations of a device since it was there:
# reads, sectors read, writes, sectors written, discards, flushes
ops_of()
{
	awk '{ print $1, $3, $5, $7, $12, $16 }' "/sys/class/block/${1#/dev/}/stat"
}

# count_ops COMMAND...: runs it, and sets ops_gold and ops_store to what it took
# of the two devices, as "reads sectors writes sectors discards flushes".
count_ops()
{
	local g0 s0

	g0=$(ops_of "$gold")
	s0=$(ops_of "$disk")
	must "$@"
	# shellcheck disable=SC2034 # for the case
	ops_gold=$(ops_diff "$g0" "$(ops_of "$gold")")
	# shellcheck disable=SC2034 # for the case
	ops_store=$(ops_diff "$s0" "$(ops_of "$disk")")
}

ops_diff()
{
	awk -v a="$1" -v b="$2" 'BEGIN {
		n = split(a, x); split(b, y)
		for (i = 1; i <= n; i++)
			printf "%s%d", (i > 1 ? " " : ""), y[i] - x[i]
	}'
}

# counted TEXT WANT COMMAND...: the operations of store and gold image that the
# command takes are WANT, "store, gold".  Every % in the command is the number of
# the try: what takes longer than a second is joined by the commit that a timer
# makes, so it gets two more tries on other blocks.
counted()
{
	local text=$1 want=$2 try have

	shift 2
	for try in 0 1 2; do
		settle
		count_ops "${@//%/$try}"
		have="$ops_store, $ops_gold"
		[ "$have" != "$want" ] || break
	done
	same "$text" "$want" "$have"
}

# Lets what goes on in the background (refill, commit timer) come to rest.
settle()
{
	must message commit
	sleep 1.2	# the timer that commits what nobody flushes: 1 s
}

# --- the last blocks -----------------------------------------------------------

# What data may still take.
left()
{
	message low_water 0
}

# fill_f: snapshot f takes all there is, in f_end blocks of tag 1
fill_f()
{
	f_end=$("$BLK" each $dm/st-f 0 8 8 4000 1 until-full) || die "$f_end"
}

# leave K: let f take, or give back, until exactly so many are left
leave()
{
	local i now

	for ((i = 0; i < 8; i++)); do
		now=$(left)
		[ "$now" != "$1" ] || return 0
		if [ "$now" -gt "$1" ]; then
			"$BLK" each $dm/st-f $((f_end * 8)) 8 8 $((now - $1)) 1 until-full > "$tmp/taken" &
			# by policy, the last ones wait until their own records are merged, or fail
			while sleep 0.1; kill -0 $! 2> /dev/null; do
				must message checkpoint
			done
			wait $! || die "f cannot be written"
			f_end=$((f_end + $(< "$tmp/taken")))
		else
			must "$BLK" discard $dm/st-f $(((f_end - $1 + now) * 8)) $((($1 - now) * 8))
			f_end=$((f_end + now - $1))
		fi
		must message checkpoint
	done
	die "$1 blocks cannot be left: $(left)"
}

# All blocks are free, or somebody's. What is lost stays so; what a checkpoint in the
# background has in hand does not.
adds_up()
{
	local i free used all

	for ((i = 0; i < 3; i++)); do
		must message checkpoint
		free=$(stat_of free_blocks) used=$(store_field 4) all=$(store_field 5)
		[ $((free + used)) != "$all" ] || return 0
	done
	echo "$free free, $used used of $all"
	return 1
}

# --- crash -------------------------------------------------------------------

# The store as a power cut at this moment would leave it: copied to device $1
# while what is below the store is held still.
crash_image()
{
	must dmsetup suspend --noflush --nolockfs low
	must dd if="$disk" of="$1" bs=1M count=$((($(sectors_of "$low") + 2047) / 2048)) \
		iflag=direct oflag=direct status=none
	[ -z "${2:-}" ] || must dd if="$2" of="$3" bs=256K count=1 iflag=direct oflag=direct status=none
	must dmsetup resume low
}

# Goes on with the image instead of the store, which is taken down.
crash_to()
{
	store_down
	must dmsetup suspend low
	must dmsetup load low --table "0 $(sectors_of "$low") linear $1 0"
	must dmsetup resume low
	disk=$1
}

# old_or_new NAME FIRST BLOCKS TAG: every block is gold or, whole, TAG.
old_or_new()
{
	"$BLK" old-or-new "$dm/st-$1" "$(($2 * 8))" "$(($3 * 8))" "$4"
}

# --- the end -----------------------------------------------------------------

cleanup()
{
	local i

	for i in $(jobs -p); do
		kill "$i" 2> /dev/null
	done
	wait 2> /dev/null
	for ((i = 0; i < 5; i++)); do
		[ "$(dmsetup ls 2> /dev/null)" != 'No devices found' ] || break
		for name in $(dmsetup ls 2> /dev/null | awk '{ print $1 }'); do
			dmsetup resume "$name" 2> /dev/null
			dmsetup remove "$name" 2> /dev/null
		done
	done
	for name in "$tmp"/loop.*; do
		[ -e "$name" ] || continue
		losetup -j "$name" | cut -d: -f1 | xargs -r losetup -d
	done
	[ -n "${SOSNAP_TMP:-}" ] || rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' TERM INT

finish()
{
	if [ -n "${low:-}" ]; then
		store_down
		ok "the store is clean" store_check
	fi
	echo "1..$checks"
	[ "$failures" = 0 ] || { echo "# $failures of $checks failed"; exit 1; }
	exit 0
}
