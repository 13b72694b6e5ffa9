// SPDX-License-Identifier: GPL-2.0
#include "fault.h"

static const struct {
	const char *name;
	const char *text;
} fault_words[] = {
#define X(number, word, sentence) [number] = { .name = #word, .text = sentence },
	SOSNAP_FAULTS(X)
#undef X
};

/**
 * sosnap_fault_name() - the stable name of a damage
 * @what: enum sosnap_fault_what
 * Context: any.
 * Return: the name, "UNKNOWN" for a number that is not one.
 */
const char *sosnap_fault_name(u32 what)
{
	return what < ARRAY_SIZE(fault_words) ? fault_words[what].name : "UNKNOWN";
}

/**
 * sosnap_fault_text() - what a damage means, as the end of a sentence
 * @what: enum sosnap_fault_what
 * Context: any.
 * Return: the words.
 */
const char *sosnap_fault_text(u32 what)
{
	return what < ARRAY_SIZE(fault_words) ? fault_words[what].text : "is damaged";
}
