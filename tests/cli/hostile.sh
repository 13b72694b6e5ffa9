# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0
#
# Names that want to be something else: in arguments, and in images. They are
# refused, and no terminal ever sees a byte of theirs that is not text.

hostile_names=('../x' '../../etc/passwd' 'a/b/c' $'a\nb' $'\e[2J' $'\e]0;title\a' $'a\tb' $'\x7f'
	$'\xff\xfe' $'\xc2\x9b2J' $'\xe2\x80\xaetxt' 'ü' '%s%n%x%s' '-x' '--' '.' '..' '' ' ' '*' '$(id)'
	'`id`' "';" 'a b' $'\r' "$(printf 'x%.0s' {1..64})" "$(printf 'x%.0s' {1..5000})")

# plain TEXT...: neither controls nor broken UTF-8, nor the marks that turn text around
plain()
{
	local file

	for file; do
		LC_ALL=C grep -q -P '[\x00-\x08\x0b-\x1f\x7f]' "$file" &&
			fail "control characters: $(od -c "$file" | head -n 20)"
		LC_ALL=C.UTF-8 grep -qavx '.*' "$file" &&
			fail "not text: $(od -c "$file" | head -n 20)"
		LC_ALL=C grep -q -P '\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xaa-\xae]' "$file" &&
			fail "hidden marks: $(od -c "$file" | head -n 20)"
	done
	return 0
}

# refuse ARG...: it fails with one sentence or a usage, in plain text, and soon
refuse()
{
	local code

	timeout 20 "$SOSNAP" "$@" > out 2> err < /dev/null
	code=$?
	[ $code != 124 ] || fail "$(printf '%q ' "$@"): no end"
	[ $code -lt 100 ] || fail "$(printf '%q ' "$@"): code $code: $(< err)"
	[ $code != 0 ] || fail "$(printf '%q ' "$@"): accepted"
	plain out err
	[[ $(< err) == "sosnap: "* ]] || fail "$(printf '%q ' "$@"): no sentence: $(< err)"
}

# Every command, with the name in each place that takes one. $n is the name.
hostile_forms()
{
	case $1 in
	activate | deactivate) printf '%s\n' "$1 -- N" "$1 main/N" "$1 N/vm" "$1 --all=N" ;;
	create) printf '%s\n' "create --gold g -- N" "create --gold g main/N" "create --gold g N/vm" \
		"create main/vm --gold=N" ;;
	list) printf '%s\n' "list -- N" ;;
	snapshot) printf '%s\n' "snapshot -- N main/new" "snapshot -- main/vm N" \
		"snapshot main/N main/new" "snapshot main/vm main/N" ;;
	refresh | rollback | status | remove) printf '%s\n' "$1 -- N" "$1 main/N" "$1 N/vm" ;;
	rename) printf '%s\n' "rename main/N new" "rename -- N new" "rename -- main/vm N" ;;
	set) printf '%s\n' "set main/N auto on" "set -- N auto on" "set -- main/vm N on" "set -- main/vm auto N" "set -- main/vm quota N" \
		"set -- main/vm reservation N" ;;
	"gold add") printf '%s\n' "gold add main /dev/null --name=N" "gold add -- N /dev/null" \
		"gold add --name g -- main N" ;;
	"gold list") printf '%s\n' "gold list -- N" ;;
	"gold remove") printf '%s\n' "gold remove -- main N" "gold remove -- N g" ;;
	"gold verify") printf '%s\n' "gold verify -- main N" "gold verify -- N g" "gold verify -- main g N" ;;
	"store create") printf '%s\n' "store create f --name=N" "store create --name main -- N" ;;
	"store repair") printf '%s\n' "store repair f --name=N" "store repair -- N" "store repair f --uuid=N" ;;
	"store list") printf '%s\n' "store list -- N" ;;
	"store status") printf '%s\n' "store status -- N" ;;
	"store dump") printf '%s\n' "store dump -- N" "store dump --section=N f" ;;
	"store "*) printf '%s\n' "$1 -- N" ;;
	*) printf '%s\n' "$1 -- N" ;;
	esac
}

# Each form is tried with one name in six, and the next form with the next ones.
test_hostile_names_as_arguments()
{
	local command form n word words i first=0

	truncate -s 64M f
	while read -r command; do
		while read -r form; do
			read -ra words <<< "$form"
			first=$((first + 1))
			for ((i = first % 6; i < ${#hostile_names[@]}; i += 6)); do
				n=${hostile_names[i]}
				args=()
				for word in "${words[@]}"; do
					args+=("${word//N/$n}")
				done
				refuse "${args[@]}"
			done
		done < <(hostile_forms "$command")
	done < <(commands)
	cmp -n 64M f /dev/zero || fail "f was changed"
	[ "$(find . -mindepth 1 | sort | tr '\n' ' ')" = "./err ./f ./out " ] || fail "files: $(ls -a)"
}

test_hostile_commands()
{
	local n

	for n in "${hostile_names[@]}"; do
		[ "$n" != -- ] || continue
		refuse "$n"
		# an option: the usage of the group
		[[ $n == -* ]] || refuse store "$n"
	done
}

# patch OLD NEW: OLD, a name in some metadata, becomes NEW, with checksums right again
patch_names()
{
	python3 - "$1" "$2" << 'END'
import sys
TABLE = []
for i in range(256):
    c = i
    for _ in range(8):
        c = (c >> 1) ^ (0x82f63b78 if c & 1 else 0)
    TABLE.append(c)
def crc(data):
    c = 0xffffffff
    for b in data:
        c = (c >> 8) ^ TABLE[(c ^ b) & 255]
    return c
old = sys.argv[1].encode() + b'\0'
new = sys.argv[2].encode('utf-8', 'surrogateescape')[:64]
new = new + b'\0' * (64 - len(new))
hits = 0
with open('f', 'r+b') as f:
    image = bytearray(f.read(4 << 20))
    for at in range(0, len(image), 4096):
        d = image[at:at + 4096]
        if d[4:8] not in (b'SOSP', b'SOND', b'SOCJ') or old not in d:
            continue
        i = d.find(old)
        while i >= 0:
            d[i:i + 64] = new
            hits += 1
            i = d.find(old, i + 64)
        end = 4096
        if d[4:8] == b'SOCJ':
            end = 64 + 24 * int.from_bytes(d[56:60], 'little')
        d[0:4] = crc(d[4:end]).to_bytes(4, 'little')
        f.seek(at)
        f.write(d)
sys.exit(0 if hits else 1)
END
}

test_hostile_names_in_images()
{
	local name n args code

	command -v python3 > /dev/null || skip "no python3"
	store f
	mv f good
	for name in main debian web-1 db; do
		for n in $'\e[2J%s%n' '../../etc' $'\xff\xfe\xc2\x9bm' "$(printf 'x%.0s' {1..64})"; do
			cp --sparse=always --reflink=auto good f
			patch_names "$name" "$n" || fail "$name is not in the image"
			for args in "store check f" "store dump f" "store dump f --json" \
				"store repair f --json --dry-run --name x" \
				"store create f --name x --dry-run"; do
				read -ra args <<< "$args"
				timeout 60 "$SOSNAP" "${args[@]}" > out 2> err < /dev/null
				code=$?
				[ $code -lt 100 ] || fail "${args[*]}: code $code: $(< err)"
				plain out err
				# it is not taken for a name
				[ $code != 0 ] || [ "${args[1]}" = dump ] ||
					fail "$name is $(printf %q "$n"): ${args[*]}: accepted"
			done
			! cmp -s good f || fail "nothing was changed"
		done
	done
}

test_hostile_names_after_repair()
{
	command -v python3 > /dev/null || skip "no python3"
	store f
	patch_names web-1 $'\e[2J' || fail "no such name"
	expect 1 store repair f --yes
	plain out err
	expect 0 store check f
	# its blocks live on under a name that can be one
	expect 0 store dump f --section snapshots
	prints "lost-object-1"
	prints "web-2"
}
