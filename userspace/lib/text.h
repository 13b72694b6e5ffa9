/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text from outside (names on disk, paths, labels) made safe to print.
 */
#ifndef SOSNAP_TEXT_H
#define SOSNAP_TEXT_H

#include <stddef.h>
#include <stdio.h>

/**
 * sosnap_text_put() - print a string without letting it steer the terminal
 * @f: where to
 * @s: any bytes
 *
 * Control characters, bytes that are not UTF-8 and characters that turn the
 * direction of writing come out as \xNN.
 */
void sosnap_text_put(FILE *f, const char *s);

/**
 * sosnap_text_clean() - the same into new memory
 * @s: any bytes
 * Return: to be freed; never NULL.
 */
char *sosnap_text_clean(const char *s);

/* Length of the UTF-8 character at @s if it is whole and harmless, else 0 */
size_t sosnap_text_char(const char *s);

/* Columns that a cleaned string takes (one a character) */
size_t sosnap_text_width(const char *s);

#endif /* SOSNAP_TEXT_H */
