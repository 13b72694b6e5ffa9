# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0
#
# What the host's own programs use: udev, systemd, Prometheus.

test_host_probe()
{
	truncate -s 64M f
	expect 1 probe f
	says "f holds no store"
	[ -z "$out" ] || fail "printed $out"
	expect 0 store create f --name main-1
	expect 0 probe f
	prints "ID_FS_TYPE=sosnap_store"
	prints $'\nID_FS_LABEL=main-1\n'
	prints $'\nID_FS_LABEL_ENC=main-1'
	[[ $out =~ ID_FS_UUID=([0-9a-f-]{36})$'\n' ]] || fail "no UUID: $out"
	grep -qvE '^[A-Z_]+=[A-Za-z0-9._+-]+$' out && fail "udev would not read it: $out"
	expect 0 store check f --json
	prints "${BASH_REMATCH[1]}"
	cp f before
	expect 0 probe f
	cmp f before || fail "the store was changed"
	truncate -s 32M f
	expect 1 probe f
	expect 1 probe /nowhere
	expect 2 probe
	expect 2 probe f --dm-name x
}

# Whatever is in the superblocks: no more than one store's clean lines come out
test_host_probe_hostile()
{
	local i

	truncate -s 16M f
	expect 0 store create f --name main
	for i in {1..200}; do
		cp f g
		# a byte of the name, the uuid or anything else of both copies
		printf '\x0a' | dd of=g bs=1 seek=$((i * 5 % 1000)) conv=notrunc status=none
		printf '\x1b' | dd of=g bs=1 seek=$((1048576 + i * 7 % 4096)) conv=notrunc status=none
		"$SOSNAP" probe g > out 2> err
		[ $? -le 1 ] || fail "byte $i: $(< err)"
		! grep -qvE '^[A-Z_]+=[A-Za-z0-9._+-]+$' out || fail "byte $i: $(cat -v out)"
	done
}

test_host_dm_names()
{
	local name

	expect 0 probe --dm-name a--b---c
	[ "$out" = $'SOSNAP_STORE=a-b-\nSOSNAP_SNAPSHOT=c' ] || fail "$out"
	expect 0 probe --dm-name main
	[ "$out" = SOSNAP_STORE=main ] || fail "$out"
	expect 0 probe --dm-name my--store-web--1
	[ "$out" = $'SOSNAP_STORE=my-store\nSOSNAP_SNAPSHOT=web-1' ] || fail "$out"
	for name in '' - -- a- a-- a-b-c -a 'a b' a/b "$(printf 'x%.0s' {1..64})" a-.b; do
		[ "$name" != a-- ] || continue
		"$SOSNAP" probe --dm-name "$name" > out 2> err && fail "'$name' was taken: $(< out)"
	done
	return 0
}

# The unit, with the tool where it is here
test_host_systemd_unit()
{
	command -v systemd-analyze > /dev/null || skip "no systemd-analyze"
	local unit=$here/../../userspace/systemd/sosnap-store@.service

	sed "s,/usr/sbin/sosnap,$(realpath "$SOSNAP")," "$unit" > 'sosnap-store@.service'
	systemd-analyze verify --man=no ./sosnap-store@.service > log 2>&1 || fail "$(< log)"
	[ ! -s log ] || fail "$(< log)"
	# what it calls are commands that there are, with options that they take
	while read -r line; do
		# shellcheck disable=SC2086 # words
		expect 0 help ${line%% --*}
		for word in $line; do
			[[ $word != --* ]] || prints "  $word"
		done
	done < <(sed -n 's,^Exec.*=/usr/sbin/sosnap ,,p' "$unit")
}

test_host_udev_rules()
{
	local rules=$here/../../userspace/udev

	# every jump has its place, once
	for file in "$rules"/*.rules; do
		sed -n 's/.*GOTO="\([a-z_]*\)".*/\1/p' "$file" | sort -u > jumps
		sed -n 's/^LABEL="\([a-z_]*\)".*/\1/p' "$file" | sort > labels
		diff jumps labels || fail "$file: jumps and labels differ"
	done
	command -v udevadm > /dev/null || skip "no udevadm"
	udevadm verify --help > /dev/null 2>&1 || return 0	# systemd 254
	udevadm verify "$rules"/*.rules || fail "udevadm complains"
}

test_host_prometheus()
{
	local n

	[ -n "${METRICS:-}" ] || skip "metrics is not built"
	"$METRICS" > text || fail "metrics failed"
	n=$(python3 "$here/prometheus.py" < text) || fail "$n"
	# 14 numbers and 4 states of 2 stores, 4 numbers of 3 snapshots
	[ "$n" = 48 ] || fail "$n samples"
	out=$(< text)
	golden metrics.txt
	# the check itself refuses what is wrong
	for wrong in 's/^# TYPE/# TIPE/' 's/{store="b"}/{store="s-1"}/' 's/} \([0-9]*\)$/}\1/' \
		'/^# HELP sosnap_store_used/d' 's/_total/_sum/'; do
		sed "$wrong" text | python3 "$here/prometheus.py" > /dev/null 2>&1 &&
			fail "the check takes $wrong"
	done
	while read -r name; do
		grep -qF "\`$name\`" "$here/../../Documentation/json.md" ||
			fail "Documentation/json.md lacks $name"
	done < <(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' text)
}

test_host_watch_usage()
{
	expect 2 status
	says "give snapshots as <store>/<snapshot>, or --watch <seconds>, or --prometheus"
	expect 2 status main/a --watch 1
	expect 2 status --watch 1 --prometheus
	says "cannot stand together"
	expect 2 status --watch 1 --json
	expect 2 status main/a --count 1
	expect 1 status --watch 0
	says "--watch takes a number of seconds from 1 on"
	expect 1 status --watch soon
	says "--watch must be a number"
}

# Every key that the tool prints without a kernel is in the description
test_host_json_is_described()
{
	local key

	store f
	for command in 'store dump f' 'store check f' 'help'; do
		# shellcheck disable=SC2086 # words
		expect 0 $command --json
		valid_json
		while read -r key; do
			grep -qE "[^a-z_]${key}[^a-z_]" "$here/../../Documentation/json.md" ||
				fail "Documentation/json.md lacks $key of $command"
		done < <(grep -o '"[a-z_0-9]*":' <<< "$out" | tr -d '":' | sort -u)
	done
}

# Where nothing that is removed becomes free, it removes the next, and ends
test_monitor_of_what_is_never_removed()
{
	[ -n "${MONITOR:-}" ] || skip "monitor is not built"
	printf '[main]\nhigh_watermark = 70\nremove_disposable = yes\n' > conf
	# what it keeps for as long as it runs is no leak
	ASAN_OPTIONS=detect_leaks=0 timeout 60 "$MONITOR" conf > out 2> err || fail "ended with $?: $(cat out err)"
	out=$(< out)
	prints "removed disposable snapshot a"
	prints "removed disposable snapshot b"
}
