# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0
#
# store create, dump and check on regular files.

test_store_create()
{
	truncate -s 64M f
	expect 0 store create f --name main
	[ "$out" = "created store main on f: 64M, journal 1M" ] || fail "printed: $out"
	expect 0 store check f
	expect 0 store dump f
}

test_store_create_json()
{
	truncate -s 64M f
	expect 0 store create f --name main --json
	valid_json
	prints '"name": "main"'
	prints '"size": 67108864'
	prints '"journal": 1048576'
}

test_store_create_needs_name()
{
	truncate -s 64M f
	expect 2 store create f
	says "add --name <store>"
	expect 1 store create f --name .x
	says "cannot be the name of a store"
	expect 1 store create f --name 'a b'
	says "cannot be the name of a store"
	expect 1 store create f --name ''
	says "must not be empty"
	expect 0 store create f --name 'A-b_c.d+e9'
}

test_store_create_too_small()
{
	truncate -s 8388607 f
	expect 1 store create f --name main
	says "f is too small for a store"
	cmp -n 8388607 f /dev/zero || fail "f was changed"
	truncate -s 8M f
	expect 0 store create f --name main
	expect 0 store check f
}

test_store_create_journal_size()
{
	truncate -s 64M f
	expect 1 store create f --name main --journal 100K
	says "must be from 1M to 124M"
	expect 1 store create f --name main --journal 125M
	says "must be from 1M to 124M"
	expect 1 store create f --name main --journal 40M
	says "too large for a store"
	expect 1 store create f --name main --journal 1048577
	says "must be a multiple of 4K bytes"
	expect 1 store create f --name main --journal much
	says "'much' is not a size"
	expect 1 store create f --name main --journal 99999999999999999999
	says "is too large"
	cmp -n 64M f /dev/zero || fail "f was changed"
	expect 0 store create f --name main --journal 2MiB
	prints "journal 2M"
	expect 0 store create f --name main --journal 1.5M --force
	prints "journal 1.5M"
}

test_store_create_dry_run()
{
	truncate -s 64M f
	expect 0 store create f --name main --dry-run
	prints "would do: write an empty store 'main' to f"
	cmp -n 64M f /dev/zero || fail "f was changed"
	expect 0 store create f --name main --dry-run --json
	valid_json
	prints '"steps"'
}

test_store_create_bad_device()
{
	expect 1 store create nowhere --name main
	says "nowhere does not exist"
	expect 1 store create . --name main
	says ". is not a block device"
	expect 1 store create /dev/null --name main
	says "/dev/null is not a block device"
}

# refused WHAT: f holds WHAT, which is refused and kept, then overwritten with --force
refused()
{
	cp --sparse=always f before
	expect 1 store create f --name main
	says "$1"
	says "add --force to overwrite it"
	cmp f before || fail "f was changed"
	expect 0 store create f --name main --force
	expect 0 store check f
	command -v blkid > /dev/null || return 0
	[ -z "$(blkid -p f)" ] || fail "the old content is still seen: $(blkid -p f)"
}

test_store_create_refuses_filesystem()
{
	command -v mke2fs > /dev/null || skip "no mke2fs"
	truncate -s 64M f
	mke2fs -q -t ext4 -L root f || fail "mke2fs"
	refused "f holds ext4 filesystem 'root'"
}

test_store_create_refuses_swap()
{
	command -v mkswap > /dev/null || skip "no mkswap"
	truncate -s 64M f
	mkswap -q f || fail "mkswap"
	refused "f holds swap"
}

test_store_create_refuses_partitions()
{
	truncate -s 64M f
	# one partition of type 83 from sector 2048 on, and the signature
	printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x10\0\0' |
		dd of=f bs=1 seek=446 conv=notrunc status=none
	printf '\x55\xaa' | dd of=f bs=1 seek=510 conv=notrunc status=none
	refused "f holds a partition table (dos)"
}

test_store_create_refuses_lvm()
{
	truncate -s 64M f
	# the label of a physical volume: LABELONE, its sector, the checksum of the rest
	python3 - << 'END' || skip "no python3"
import struct
def crc(data, c=0xf597a6cf):
    for b in data:
        c ^= b
        for _ in range(8):
            c = (c >> 1) ^ (0xedb88320 if c & 1 else 0)
    return c
rest = struct.pack('<I8s', 32, b'LVM2 001') + b'0123456789abcdef0123456789abcdef'
rest += struct.pack('<Q', 64 << 20) + bytes(512)
rest = rest[:512 - 20]
label = b'LABELONE' + struct.pack('<QI', 1, crc(rest)) + rest
with open('f', 'r+b') as f:
    f.seek(512)
    f.write(label)
END
	refused "f holds LVM2_member"
}

test_store_create_refuses_store()
{
	truncate -s 64M f
	expect 0 store create f --name other
	refused "f holds the sosnap store 'other'"
}

test_store_create_refuses_damaged_store()
{
	truncate -s 64M f
	expect 0 store create f --name other
	printf x | dd of=f bs=1 seek=100 conv=notrunc status=none
	refused "f holds the sosnap store 'other'"
	printf x | dd of=f bs=1 seek=100 conv=notrunc status=none
	printf x | dd of=f bs=1 seek=$((256 * 4096 + 100)) conv=notrunc status=none
	refused "f holds a damaged sosnap store"
}

test_store_dump_empty()
{
	truncate -s 64M f
	expect 1 store dump f
	says "f holds no store"
}

test_store_dump_text()
{
	store f
	cp f before
	expect 0 store dump f
	golden dump.txt
	cmp f before || fail "f was changed"
}

test_store_dump_json()
{
	store f
	expect 0 store dump f --json
	valid_json
	golden dump.json
}

test_store_dump_section()
{
	store f
	expect 0 store dump f --section golds
	golden dump-golds.txt
	expect 2 store dump f --section everything
	says "there is no section 'everything'"
}

test_store_dump_bad_super()
{
	store f
	printf x | dd of=f bs=1 seek=100 conv=notrunc status=none
	expect 0 store dump f --section superblock
	prints "bad copies (bits):      1"
	printf x | dd of=f bs=1 seek=$((256 * 4096 + 100)) conv=notrunc status=none
	expect 1 store dump f
	says "the superblock (block 0) cannot be used: has a wrong checksum (BLOCK_CRC)"
}

test_store_dump_cut_off()
{
	store f
	truncate -s 32M f
	expect 1 store dump f
	says "f is smaller than the store on it"
}

# damage BLOCK: one byte of a block of f, beyond its header
damage()
{
	printf '\xff' | dd of=f bs=1 seek=$(($1 * 4096 + 70)) conv=notrunc status=none
}

test_store_check_clean()
{
	store f
	cp f before
	expect 0 store check f
	cmp f before || fail "f was changed"
	expect 0 store check f --json
	valid_json
	golden check.json
}

test_store_check_exit_codes()
{
	expect 16 store check
	expect 16 store check a b
	expect 8 store check nowhere
	says "nowhere does not exist"
	expect 8 store check /dev/null
	truncate -s 64M f
	expect 4 store check f
	says "f holds no store"
}

test_store_check_damaged_extents()
{
	store f
	expect 0 store dump f --section superblock --json
	damage "$(sed -n 's/.*"tree": "extent", "root": \([0-9]*\).*/\1/p' out)"
	expect 4 store check f
	prints BLOCK_CRC
	expect 4 store check f --json
	valid_json
	prints '"clean": false'
	expect 1 store dump f --section extents
	says "has a wrong checksum (BLOCK_CRC)"
}

test_store_check_damaged_super()
{
	store f
	damage 256
	expect 4 store check f
	prints SUPER_COPY
	damage 0
	expect 4 store check f
	says "the superblock (block 0) cannot be used"
}

test_store_create_dry_run_never_says_nothing()
{
	truncate -s 1M f
	expect 1 store create f --name main --dry-run
	[ -z "$out" ] || fail "printed: $out"
}

# restore_dump FILE [ARG...]: the dump in "input" onto FILE; exit code in $code, $err
restore_dump()
{
	code=0
	"$SOSNAP" store restore "$@" < input > out 2> err || code=$?
	out=$(< out) err=$(< err)
}

# The figures of a check that tell what a store holds
figures()
{
	"$SOSNAP" store check "$1" --json |
		grep -E '"(name|uuid|golds|snapshots|objects|extents|data_blocks)"'
}

test_store_restore()
{
	store f
	"$SOSNAP" store dump f --json > input || fail "dump"
	truncate -s 80M g
	restore_dump g
	[ "$code" = 0 ] || fail "restore: $err"
	[ "$out" = "restored the metadata of store main on g" ] || fail "printed: $out"
	expect 0 store check g
	[ "$(figures f)" = "$(figures g)" ] || fail "differs: $(figures f) $(figures g)"
	# the journal was merged; from there on nothing changes but the places of nodes
	"$SOSNAP" store dump g --json > input || fail "dump"
	truncate -s 64M h
	restore_dump h
	"$SOSNAP" store dump h --json > again || fail "dump"
	diff <(grep -vE '"(generation|tail_sequence)"|"tree"|"region"' input) \
		<(grep -vE '"(generation|tail_sequence)"|"tree"|"region"' again) || fail "differs"
	# the record of the journal counts: block 100 was written once more
	grep -q '{"object": 1, "block": 100, "length": 2, "store": 24}' again || fail "not merged"
	grep -q '{"id": 3, "name": "db"' again || fail "not merged"
}

test_store_restore_refuses()
{
	store f
	"$SOSNAP" store dump f --json > input || fail "dump"
	cp f g
	restore_dump g
	[ "$code" = 1 ] || fail "code $code"
	says "g holds the sosnap store 'main'"
	cmp f g || fail "g was changed"
	restore_dump g --force
	[ "$code" = 0 ] || fail "restore: $err"
	expect 0 store check g
	truncate -s 64M h
	restore_dump h --dry-run
	[ "$code" = 0 ] || fail "restore: $err"
	prints "would do: write the metadata of store 'main' to h"
	cmp -n 64M h /dev/zero || fail "h was changed"
	truncate -s 32M i
	restore_dump i
	[ "$code" = 1 ] || fail "code $code"
	says "the store has 16384 blocks, the device 8192 only"
}

# An item's origin goes with it; a dump that does not tell it is one of before
test_store_restore_origin()
{
	store f
	"$SOSNAP" store dump f --json > plain || fail "dump"
	sed 's/\("name": "web-2".*"origin": \)null/\11/' plain > input
	cmp -s plain input && fail "the dump has no origin"
	truncate -s 64M g
	restore_dump g
	[ "$code" = 0 ] || fail "restore: $err"
	expect 0 store dump g --json
	grep -q '"name": "web-2".*"origin": 1,' out || fail "the origin is lost"
	grep -q '"name": "web-1".*"origin": null,' out || fail "an origin came from nowhere"
	sed 's/"origin": [^,]*, //' plain > input
	truncate -s 64M h
	restore_dump h
	[ "$code" = 0 ] || fail "restore: $err"
}

# One commit or all three of the journal are missing in the dump, and on the device
test_store_restore_over_younger_commits()
{
	local tail from

	store f
	tail=$("$SOSNAP" store dump f --section superblock --json |
		sed -n 's/.*"tail": \([0-9]*\).*/\1/p')
	for from in 0 2; do
		cp f older
		dd if=/dev/zero of=older bs=4096 seek=$((257 + tail + from)) count=1 conv=notrunc \
			status=none
		"$SOSNAP" store dump older --json > input || fail "dump"
		cp f g
		restore_dump g --force
		[ "$code" = 1 ] || fail "code $code"
		says "the device holds commit"
		says "the dump is of an older state"
		cmp f g || fail "g was changed"
	done
}

# What the device has been is not in force, wherever the restore is cut short
test_store_restore_over_a_younger_store()
{
	local gen

	store f
	"$SOSNAP" store dump f --json > input || fail "dump"
	patch_supers 32 8 1000
	mv f g
	restore_dump g --force
	[ "$code" = 0 ] || fail "restore: $err"
	expect 0 store check g
	gen=$("$SOSNAP" store dump g --section superblock --json |
		sed -n 's/.*"generation": \([0-9]*\),$/\1/p')
	[ "$gen" -gt 1000 ] || fail "generation $gen"
	dd if=g bs=4096 skip=257 count=1 status=none | cmp -n 4096 - /dev/zero ||
		fail "an old commit is where the first one goes"
}

# The rest of the input is not kept: that is known before anything is written
test_store_restore_without_room_for_its_input()
{
	store f
	"$SOSNAP" store dump f --json > input || fail "dump"
	# a block that is written at once, and some more
	printf '%*s' $((6000 - $(wc -c < input))) '' >> input
	# a swap device, which would be wiped
	truncate -s 64M g
	printf 'SWAPSPACE2' | dd of=g bs=1 seek=4086 conv=notrunc status=none
	printf '\1\0\0\0\377\77\0\0' | dd of=g bs=1 seek=1024 conv=notrunc status=none
	cp g before
	trap '' XFSZ
	ulimit -f 4
	restore_dump g --force
	[ "$code" = 1 ] || fail "code $code: $err"
	cmp g before || fail "g was changed: $err"
	says "cannot be kept in a temporary file"
}

# bad SED-SCRIPT WORDS: such a dump is refused with these words, and nothing written
bad()
{
	sed "$1" good > input
	cmp -s good input && fail "$1 changes nothing"
	rm -f g
	truncate -s 64M g
	restore_dump g
	[ "$code" = 1 ] || fail "$1: code $code"
	says "$2"
	[ "$(wc -l < err)" = 1 ] || fail "more than one line: $err"
	cmp -n 64M g /dev/zero || fail "$1: g was changed"
}

test_store_restore_bad_input()
{
	store f
	"$SOSNAP" store dump f --json > good || fail "dump"
	bad '$d' "the input is not a whole dump"
	bad 's/"version": 1/"version": 2/' "superblock: 'version' is not 1"
	bad 's/"complete": true/"complete": false/' "not complete"
	bad '/"complete"/d; s/^  ],$/  ]/' "the input is not a whole dump"
	bad 's/"blocks": 16384/"blocks": 99999999999999999999/' "'blocks' is no number that can be"
	bad 's/"blocks": 16384/"blocks": -1/' "'blocks' is no number that can be"
	bad 's/"blocks": 16384/"blocks": 1/' "superblock: a number is too small"
	bad 's/"blocks": 16384/"blocks": "many"/' "superblock: 'blocks' is not a number"
	bad 's/"blocks": 16384/"blocks": [1]/' "superblock: is not a part of a dump"
	bad 's/"journal_blocks": 256/"journal_blocks": 255/' "superblock: a number is too small"
	bad 's/"name": "debian"/"name": "..\/x"/' "golds, row 1: '../x' cannot be a name"
	bad 's/"name": "small"/"name": "debian"/' "NAME_TWICE"
	bad 's/"sample_crc": "0000feed"/"sample_crc": "feed"/' "golds, row 2: 'sample_crc' is not 4 bytes"
	bad 's/"id": 2, "name": "small"/"id": 1, "name": "small"/' "golds, row 2: id 1 is there twice"
	bad 's/"id": 2, "name": "web-2", "object": 2/"id": 2, "name": "web-2", "object": 9/' "SNAPSHOT_REF"
	bad 's/"block": 100, "length": 1,/"block": 5, "length": 1,/' "EXTENT_OVERLAP"
	bad 's/"store": 513/"store": 7/' "BLOCK_SHARED"
	bad 's/"length": 1, "store": 1}/"length": 1, "store": 16384}/' "extents, row 2: 'store' is 16384"
	bad 's/"length": 1, "store": 1}/"length": 0, "store": 1}/' "extents, row 2: the extent is empty"
	bad 's/"store": 513/"store": 0/' "BLOCK_SHARED"
	bad 's/"object": 2, "block": 1000/"object": 7, "block": 1000/' "belong to no cache object"
	bad 's/"object": 2, "block": 1000/"object": 2, "object": 2/' "extents, row 3: 'object' is there twice"
	bad 's/"value": "[0-9a-f]\{20\}/"value": "/' "journal, row 3: 'value' is not 240 bytes"
	bad 's/"sequence": 11/"sequence": 9/' "journal, row 2: 'sequence' is 9, after 10"
	bad 's/"record": "zero"/"record": "none"/' "journal, row 2: 'record' cannot be 'none'"
	bad 's/"regions"/"trees"/' "trees: there are two of them"
	bad 's/"extents"/"extras"/' "extras: is not a part of a dump"
	bad 's/"uuid": "5a5a/"uuid": "xxxx/' "superblock: 'uuid' is not a UUID"
	printf '[[[[' > good2 && mv good2 good
	bad 's/\[//' "is not a part of a dump"
}
