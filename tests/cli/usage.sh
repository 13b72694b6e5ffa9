# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0
#
# Usage: what every command must answer.

# The commands, from the tool's own table
commands()
{
	"$SOSNAP" help | sed -n 's/^  \([a-z]\+\( [a-z]\+\)\?\)  .*/\1/p'
}

test_usage_without_arguments()
{
	expect 2
	prints "usage: sosnap"
}

test_usage_overview()
{
	expect 0 help
	golden overview.txt
}

test_usage_commands_are_sorted()
{
	[ "$(commands)" = "$(commands | LC_ALL=C sort)" ] || fail "the table is not sorted"
	[ "$(commands | wc -l)" -ge 21 ] || fail "commands are missing"
}

test_usage_help_of_every_command()
{
	local name

	while read -r name; do
		# shellcheck disable=SC2086
		expect 0 $name --help
		prints "usage: sosnap $name"
		prints "--help"
		prints "Exit status"
		# shellcheck disable=SC2086
		expect 0 help $name
		prints "usage: sosnap $name"
	done < <(commands)
}

test_usage_unknown_option_of_every_command()
{
	local name want

	while read -r name; do
		want=2
		[[ $name != "store "@(check|repair) ]] || want=16
		# shellcheck disable=SC2086
		expect $want $name --frobnicate
		says "$name: unknown option --frobnicate"
		[[ $err == *"usage: sosnap $name"* ]] || fail "no usage: $err"
	done < <(commands)
}

test_usage_json_only_where_something_is_printed()
{
	expect 2 rename a/b c --json
	says "there is no option --json here"
	expect 2 list --dry-run
	says "there is no option --dry-run here"
	expect 2 list --yes
	says "there is no option --yes here"
}

test_usage_unknown_command()
{
	expect 2 frobnicate
	says "there is no command 'frobnicate'"
	expect 2 store frobnicate
	says "there is no command 'store frobnicate'"
	expect 2 store
	prints "store create"
}

test_usage_too_many_or_few_arguments()
{
	expect 2 store create
	says "too few arguments"
	expect 2 store list x
	says "unexpected argument 'x'"
	expect 2 rename a/b
	says "too few arguments"
}

test_usage_option_values()
{
	expect 2 store create x --name
	says "option --name needs a value"
	expect 2 store create x --force=1
	says "option --force takes no value"
	expect 2 store create x --name=a --name b
	says "option --name is given twice"
}

test_usage_options_anywhere()
{
	truncate -s 64M f
	expect 0 --dry-run store create --name=main -- f
	prints "would do"
	expect 0 store create f --name main --dry-run
	prints "would do"
}

test_usage_version()
{
	expect 0 --version
	prints "sosnap "
}

test_usage_table_as_json()
{
	expect 0 help --json
	valid_json
	prints '"name": "store create"'
	expect 0 --json help
	valid_json
}

test_usage_terminal_is_safe()
{
	expect 1 store dump $'/tmp/\e[31m\xffname'
	says '\x1b[31m\xffname'
}

test_usage_output_error_is_told()
{
	[ -w /dev/full ] || skip "no /dev/full"
	"$SOSNAP" help --json > /dev/full 2> err && fail "wrote to a full device"
	grep -q "cannot write the output" err || fail "nothing said: $(< err)"
}

test_usage_snapshot_names()
{
	expect 1 status main
	says "'main' does not name a snapshot"
	expect 1 status main/a/b
	says "does not name a snapshot"
	expect 1 status main/-a main/b
	says "cannot be the name of a snapshot"
	expect 1 status main/a main/a
	says "main/a is given twice"
	expect 1 status "main/$(printf 'x%.0s' {1..64})"
	says "must not be longer than 63 characters"
	expect 1 status "main/"
	says "must not be empty"
}

test_usage_activate_needs_snapshots_or_all()
{
	expect 2 activate
	says "give snapshots as <store>/<snapshot>, or --all <store>"
	expect 2 activate --all main main/a
	expect 2 deactivate
}

test_usage_create_needs_gold()
{
	expect 2 create main/a
	says "add --gold <gold>"
	expect 2 create main/a --gold g --gold-device x
	says "--gold-device is of use with --activate only"
	expect 2 gold add main /dev/null
	says "add --name <gold>"
	expect 2 set main/a auto perhaps
	says "on or off"
	expect 2 set main/a read-only 1
	expect 2 set main/a lossy 1
	says "on or off"
	expect 2 set main/a quota 1000
	says "multiple of"
	expect 2 set main/a quota 0
	says "and not 0"
	expect 2 set main/a quota off
	expect 2 set main/a reservation 1000
	says "multiple of"
	expect 2 set main/a reservation 0
	says "and not 0"
	expect 2 set main/a reservation off
	expect 2 set main/a colour red
	says "no setting 'colour'"
}

test_usage_resize_needs_a_size()
{
	expect 2 resize main/a
	says "add --size <size>"
	expect 2 resize main/a --size 1000
	says "multiple of"
	expect 2 resize main/a --size nothing
	expect 2 resize
}

test_usage_store_shrink_needs_a_size()
{
	expect 2 store shrink main
	says "add --size <size>"
	expect 2 store shrink main --size 1000
	says "multiple of"
	expect 2 store shrink main --size nothing
	expect 2 store shrink --size 1G
	says "too few arguments"
	expect 2 store shrink main other --size 1G
	says "unexpected argument 'other'"
}

test_usage_store_grow_takes_one_store()
{
	expect 2 store grow
	says "too few arguments"
	expect 2 store grow main other
	says "unexpected argument 'other'"
	expect 2 store grow --yes main
	says "there is no option --yes here"
}
