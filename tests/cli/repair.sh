# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0
#
# store repair on regular files.

# spoil BLOCK: one byte of a block of f, beyond its header
spoil()
{
	printf '\xff' | dd of=f bs=1 seek=$(($1 * 4096 + 70)) conv=notrunc status=none
}

# patch_supers OFFSET BYTES VALUE: in both copies of f, with right checksums
patch_supers()
{
	python3 - "$@" << 'END' || skip "no python3"
import sys
at, size, value = map(int, sys.argv[1:])
def crc(data):
    c = 0xffffffff
    for b in data:
        c ^= b
        for _ in range(8):
            c = (c >> 1) ^ (0x82f63b78 if c & 1 else 0)
    return c
with open('f', 'r+b') as f:
    for blk in (0, 256):
        f.seek(blk * 4096)
        d = bytearray(f.read(4096))
        d[at:at + size] = value.to_bytes(size, 'little')
        d[0:4] = crc(d[4:]).to_bytes(4, 'little')
        f.seek(blk * 4096)
        f.write(d)
END
}

# bad_sector BLOCK: cannot be read from here on, until it is written
bad_sector()
{
	[ -n "$EIO" ] || skip "eio.so is not built: use make -C tests/cli run"
	export LD_PRELOAD=$EIO EIO_BLK=$1 ASAN_OPTIONS=verify_asan_link_order=0
}

good_sectors()
{
	unset LD_PRELOAD EIO_BLK ASAN_OPTIONS
}

# root TREE: the block of its root
root()
{
	"$SOSNAP" store dump f --section superblock --json |
		sed -n 's/.*"tree": "'"$1"'", "root": \([0-9]*\).*/\1/p'
}

# What a store holds, without what a repair changes
content()
{
	"$SOSNAP" store dump "$1" --json |
		sed -n '/"golds"/,/"regions"/p; /"extents"/,/"journal"/p' | grep -v '"region'
}

test_repair_of_a_clean_store_writes_nothing()
{
	store f
	cp f before
	expect 0 store repair f --yes
	prints "clean"
	expect 0 store repair f --yes --json
	valid_json
	prints '"state": "clean"'
	cmp f before || fail "f was changed"
}

test_repair_usage()
{
	expect 16 store repair
	expect 16 store repair a b
	expect 16 store repair f --name ../x
	says "cannot be the name of a store"
	expect 16 store repair f --uuid 12
	says "'12' is not a UUID"
	expect 16 store repair f --journal 3
	expect 8 store repair nowhere --yes
	says "nowhere does not exist"
	expect 8 store repair /dev/null --yes
	truncate -s 64M f
	expect 4 store repair f --yes
	says "f holds no store"
	cmp -n 64M f /dev/zero || fail "f was changed"
}

test_repair_of_a_superblock()
{
	local copy

	for copy in 0 256; do
		store f
		cp f before
		spoil $copy
		cp f damaged
		expect 4 store repair f
		says "add --yes to agree"
		cmp f damaged || fail "f was changed"
		expect 1 store repair f --yes
		prints "mended"
		cmp f before || fail "f is not as it was"
		rm f
	done
}

test_repair_of_both_superblocks()
{
	store f
	content f > before
	spoil 0
	spoil 256
	cp f damaged
	expect 4 store repair f --yes
	says "add --name <store>"
	cmp f damaged || fail "f was changed"
	expect 1 store repair f --yes --name again
	prints "again"
	expect 0 store check f
	# the three commits of the journal are merged
	prints "snapshots:             3"
	prints "data blocks:           314"
	expect 0 store dump f --section superblock
	prints "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a"
}

test_repair_tells_what_is_lost()
{
	store f
	spoil "$(root extent)"
	cp f damaged
	expect 4 store repair f --dry-run
	prints "can be mended, with losses"
	prints "web-1"
	cmp f damaged || fail "f was changed"
	expect 4 store repair f
	says "2 snapshots lose 1.2M or more? There is no terminal to ask on: add --yes to agree"
	cmp f damaged || fail "f was changed"
	expect 1 store repair f --yes --json
	valid_json
	prints '{"snapshot": "web-1", "id": 1, "object": 1, "blocks": 17, "first_block": 0, "length": 262144}'
	prints '{"snapshot": "web-2", "id": 2, "object": 2, "blocks": 300, "first_block": 0, "length": 524288}'
	prints '"lost_blocks": 317'
	prints '"lost_snapshots": 2'
	prints '"lossy_snapshots": 2'
	expect 0 store check f
	# they are marked, and what came with the journal is not
	expect 0 store dump f --json
	[ "$(grep -c '"name": "web-.*"flags": 8,' out)" = 2 ] || fail "web-1 and web-2 are not marked"
	grep -q '"name": "db".*"flags": 0,' out || fail "db is marked"
	# what the journal had is there
	expect 0 store dump f --section extents
	prints "100"
	expect 0 store repair f --yes
}

test_repair_of_a_lost_catalogue()
{
	store f
	spoil "$(root catalog)"
	expect 1 store repair f --yes
	prints "lost"
	expect 0 store check f
	expect 0 store dump f --section objects
	prints " 1 "
	expect 0 store dump f --section snapshots
	prints "lost-object-1"
	prints "lost-object-2"
	prints "db"
}

test_repair_of_bitmaps()
{
	local blk

	for blk in 2 3 4 5; do
		store f
		expect 0 store dump f --section extents
		cp out extents
		spoil $blk
		"$SOSNAP" store repair f --yes > /dev/null 2>&1
		expect 0 store check f
		prints "data blocks:"
		rm f
	done
}

test_repair_refuses_other_versions()
{
	store f
	patch_supers 64 4 2
	cp f before
	expect 4 store repair f --yes
	says "unknown version"
	cmp f before || fail "f was changed"
}

test_repair_with_a_superblock_that_cannot_be_read()
{
	local copy

	for copy in 0 256; do
		store f
		spoil "$(root extent)"
		bad_sector $copy
		expect 1 store repair f --yes
		good_sectors
		prints "mended, with losses"
		expect 0 store check f
		rm f
	done
}

# where the next commit would be, and where none can be
test_repair_with_a_journal_that_cannot_be_read()
{
	local tail

	store f
	tail=$("$SOSNAP" store dump f --section superblock --json |
		sed -n 's/.*"tail": \([0-9]*\).*/\1/p')
	cp f before
	bad_sector $((257 + tail + 3))
	expect 1 store repair f --yes --json
	good_sectors
	valid_json
	prints '"state": "mended, with losses"'
	prints '"lost_commits": 1'
	prints '"lossy_snapshots": 3'
	expect 0 store check f
	cp before f
	bad_sector $((257 + tail + 40))
	expect 1 store repair f --yes --json
	good_sectors
	prints '"state": "mended"'
	prints '"lost_commits": 0'
	prints '"lossy_snapshots": 0'
	expect 0 store check f
}

# The generation after the replay is one that no superblock can have
test_repair_of_what_the_check_cannot_end()
{
	store f
	patch_supers 32 8 $(((1 << 62) - 1))
	cp f before
	expect 8 store check f
	expect 4 store repair f --dry-run
	prints "the check got no further"
	[[ $out != *clean* ]] || fail "it says clean: $out"
	cmp f before || fail "f was changed"
}

test_repair_refuses_a_copy_of_a_newer_tool()
{
	store f
	patch_supers 80 8 2
	spoil 256
	cp f before
	expect 4 store repair f --yes
	says "a newer tool"
	cmp f before || fail "f was changed"
}

test_repair_says_what_the_mark_means()
{
	store f
	spoil "$(root extent)"
	expect 1 store repair f --yes
	prints $'\n\nSnapshots that are marked as lossy are not activated without --lossy. What they lack is\naccepted by '
}
