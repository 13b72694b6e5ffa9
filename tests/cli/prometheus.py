#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
#
# prometheus.py - check text on stdin against the exposition format 0.0.4, as
# strictly as promtool does, and print how many samples there were.
import re
import sys

NAME = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*$')
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)')


def fail(number, why):
    sys.exit(f'line {number}: {why}')


def main():
    text = sys.stdin.read()
    if not text.endswith('\n'):
        sys.exit('does not end with a newline')
    types, helps, closed, series = {}, {}, set(), set()
    current = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith('# '):
            word, name, rest = line[2:].split(' ', 2)
            if word not in ('HELP', 'TYPE') or not NAME.match(name):
                fail(number, 'neither HELP nor TYPE of a metric')
            if word == 'TYPE' and rest not in ('gauge', 'counter'):
                fail(number, f'type {rest}')
            table = types if word == 'TYPE' else helps
            if name in table:
                fail(number, f'second {word} of {name}')
            if not rest.strip():
                fail(number, f'empty {word}')
            table[name] = rest
            if name != current:
                closed.add(current)
                current = name
            continue
        match = SAMPLE.match(line)
        if not match:
            fail(number, f'no sample: {line!r}')
        name, labels, value = match.groups()
        if name in closed or name != current:
            fail(number, f'{name} is not with its HELP and TYPE')
        if name not in types or name not in helps:
            fail(number, f'{name} has no HELP or no TYPE')
        if types[name] == 'counter' and not name.endswith('_total'):
            fail(number, f'counter {name} does not end in _total')
        if types[name] == 'gauge' and name.endswith('_total'):
            fail(number, f'gauge {name} ends in _total')
        pairs, end = [], 0
        for label in LABEL.finditer(labels or ''):
            if label.start() != end:
                fail(number, f'labels: {labels}')
            pairs.append(label.group(1))
            end = label.end()
        if end != len(labels or '') or len(set(pairs)) != len(pairs):
            fail(number, f'labels: {labels}')
        try:
            float(value)
        except ValueError:
            fail(number, f'value {value}')
        if (name, labels) in series:
            fail(number, f'second sample of {name}{{{labels}}}')
        series.add((name, labels))
    unit = [n for n in types if n.endswith('_bytes') and types[n] != 'gauge']
    if unit or set(types) != set(helps):
        sys.exit(f'HELP or TYPE is missing, or wrong for {unit}')
    print(len(series))


main()
