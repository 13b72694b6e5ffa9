# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0
#
# Help, manual page and completion come from one table: whatever it holds is in
# all of them.

# Everything in the table: command, option, its value, its help, the command's
table_options()
{
	"$SOSNAP" help --json | python3 -c '
import json, sys
for c in json.load(sys.stdin)["commands"]:
    for o in c["options"]:
        print(c["name"], o["name"], o["value"] or "", o["help"], c["help"], sep="\x1f")'
}

# completed WORD...: what the completion offers for the last of them
completed()
{
	bash -c '
		sosnap() { :; }
		. "$1"
		shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		_sosnap
		printf "%s\n" "${COMPREPLY[@]}"' - ./completion sosnap "$@"
}

# man_section COMMAND: what the manual page says of it
man_section()
{
	sed -n "/^\.SS sosnap $1\$/,/^\.S[SH]/p" page | sed '$d'
}

test_manual_page_has_every_command_and_option()
{
	local name opt value help does n=0 section last=''

	"$SOSNAP" help --man > page || fail "no page"
	while IFS=$'\x1f' read -r name opt value help does; do
		[ "$name" = "$last" ] || section=$(man_section "$name" | sed 's/\\-/-/g; s/\\f[IRB]//g')
		last=$name n=$((n + 1))
		[[ $section == *"--$opt"* ]] || fail "sosnap(8) lacks --$opt of $name"
		[[ ${section,,} == *"${does,,}."* ]] || fail "sosnap(8) lacks what $name does"
		[ -z "$value" ] || [[ $section == *"--$opt ${value//[<>]/}"* ]] ||
			fail "sosnap(8) lacks the value of --$opt of $name"
		tr '\n' ' ' < page | sed 's/\\-/-/g; s/\\&//g' | grep -F -- "$help." > /dev/null ||
			fail "sosnap(8) lacks what --$opt of $name means"
	done < <(table_options)
	[ "$n" -ge 60 ] || fail "only $n options were compared"
}

test_manual_page_is_well_formed()
{
	"$SOSNAP" help --man > sosnap.8
	cp "$here/../../userspace/man/"*.[0-9] . 2> /dev/null
	command -v mandoc > /dev/null || skip "no mandoc"
	for page in ./*.[0-9]; do
		mandoc -Tlint -Wwarning "$page" || fail "$page: mandoc complains"
		command -v man > /dev/null || continue
		LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 > /dev/null | grep . &&
			fail "$page: man complains"
	done
	return 0
}

test_manual_completion_has_every_command_and_option()
{
	local name opt value last='' have n=0

	"$SOSNAP" help --completion > completion || fail "no completion"
	bash -n completion || fail "no shell code"
	while IFS=$'\x1f' read -r name opt value _; do
		# shellcheck disable=SC2086 # one or two words
		[ "$name" = "$last" ] || have=$(completed $name --)
		if [ "$name" != "$last" ]; then
			completed "${name%% *}" | grep -x "${name%% *}" > /dev/null || fail "$name is not completed"
			[ "$name" = "${name#* }" ] || completed "${name%% *}" '' | grep -x "${name#* }" > /dev/null ||
				fail "the second word of $name is not completed"
		fi
		last=$name n=$((n + 1))
		grep -qx -e "--$opt" <<< "$have" || fail "--$opt of $name is not completed"
	done < <(table_options)
	[ "$n" -ge 60 ] || fail "only $n options were compared"
	completed store activate --no-space '' | grep -x queue > /dev/null || fail "values are not completed"
	completed store activate --no-space '' | grep -x -e --read-only > /dev/null && fail "an option instead of a value"
	return 0
}

test_manual_help_has_every_option()
{
	local name opt value help

	while IFS=$'\x1f' read -r name opt value help _; do
		# shellcheck disable=SC2086 # one or two words
		expect 0 $name --help
		prints "--$opt"
		prints "$help"
	done < <(table_options)
}

# The parser names its settings when it meets another one.
test_manual_monitor_settings_are_documented()
{
	local setting known conf="$here/../../userspace/systemd/monitor.conf"

	printf '[*]\nno_such = 1\n' > wrong.conf
	"$SOSNAP" monitor --once --config wrong.conf 2> said && fail "a wrong setting is taken"
	known=$(sed -n 's/.*: there are //p' said)
	known=$(tr -d , <<< "${known/ and / }")
	[ "$(wc -w <<< "$known")" -ge 4 ] || fail "settings: $known"
	for setting in $known; do
		grep -q "^\.B $setting$" "$here/../../userspace/man/sosnap-monitor.8" || fail "sosnap-monitor(8) lacks $setting"
		grep -q "^#$setting = " "$conf" || fail "monitor.conf lacks $setting"
	done
	# What it shows is right when its marks are taken away.
	sed 's/^#\([a-z[]\)/\1/' "$conf" > shown.conf
	[ "$(grep -c '^\[' shown.conf)" = 2 ] || fail "monitor.conf shows no sections"
	"$SOSNAP" monitor --once --config shown.conf > said 2>&1
	! grep -q 'shown.conf' said || fail "$(cat said)"
}
