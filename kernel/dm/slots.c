// SPDX-License-Identifier: GPL-2.0
#include "slots.h"

static u32 slot_of(u64 index, u32 shift)
{
	return index >> shift & (SOSNAP_SLOTS - 1);
}

/**
 * sosnap_slots_init() - an empty map
 * @t:  the map
 * @nr: indexes are below it
 */
void sosnap_slots_init(struct sosnap_slots *t, u64 nr)
{
	t->root = NULL;
	t->pages = 0;
	for (t->shift = 0; nr > SOSNAP_SLOTS; nr = (nr - 1) / SOSNAP_SLOTS + 1)
		t->shift += SOSNAP_SLOTS_SHIFT;
}

/**
 * sosnap_slots_store() - set a slot
 * @t:     the map
 * @index: which
 * @entry: what it holds from now on
 * @gfp:   for the pages that are missing on the way
 * Context: load_lock held.
 * Return: 0 or -ENOMEM; a slot whose page exists is always set.
 */
int sosnap_slots_store(struct sosnap_slots *t, u64 index, void *entry, gfp_t gfp)
{
	void **at = (void **)&t->root;
	u32 shift = t->shift + SOSNAP_SLOTS_SHIFT;

	while (shift) {
		if (!*at) {
			void *page = (void *)get_zeroed_page(gfp);

			if (!page)
				return -ENOMEM;
			t->pages++;
			smp_store_release(at, page);	/* its zeros first */
		}
		shift -= SOSNAP_SLOTS_SHIFT;
		at = (void **)*at + slot_of(index, shift);
	}
	smp_store_release(at, entry);	/* what the entry points to first */
	return 0;
}

/**
 * sosnap_slots_replace() - set a slot if nobody else did
 * @t:     the map
 * @index: which
 * @old:   what it must hold; not NULL
 * @entry: what it holds then
 * Context: any.
 * Return: whether it did.
 */
bool sosnap_slots_replace(struct sosnap_slots *t, u64 index, void *old, void *entry)
{
	void **slot;
	bool done;

	rcu_read_lock();
	slot = sosnap_slots_find(t, index);
	done = slot && cmpxchg(slot, old, entry) == old;
	rcu_read_unlock();
	return done;
}

/**
 * sosnap_slots_fill() - set those slots that are NULL
 * @t:     the map
 * @index: the first
 * @end:   behind the last; all are in one page
 * @entry: a value
 * Context: load_lock held. Nothing happens if the page does not exist.
 */
void sosnap_slots_fill(struct sosnap_slots *t, u64 index, u64 end, void *entry)
{
	void **slot = sosnap_slots_find(t, index);

	for (; slot && index < end; index++, slot++)
		if (!READ_ONCE(*slot))
			WRITE_ONCE(*slot, entry);
}

/**
 * sosnap_slots_next() - the next entry that is not NULL
 * @t:     the map
 * @index: where to begin; set to where it is
 * @end:   indexes are below it
 * Context: load_lock held.
 * Return: the entry, or NULL at the end.
 */
void *sosnap_slots_next(const struct sosnap_slots *t, u64 *index, u64 end)
{
	while (*index < end && !(*index >> t->shift >> SOSNAP_SLOTS_SHIFT)) {
		void *entry = t->root;
		u32 shift = t->shift + SOSNAP_SLOTS_SHIFT;

		while (entry && shift) {
			shift -= SOSNAP_SLOTS_SHIFT;
			entry = READ_ONCE(((void **)entry)[slot_of(*index, shift)]);
		}
		if (entry)
			return entry;
		/* nothing here up to the end of what this slot covers */
		*index = ((*index >> shift) + 1) << shift;
	}
	return NULL;
}

static void free_page_rcu(struct rcu_head *rcu)
{
	__free_page(container_of(rcu, struct page, rcu_head));
}

static bool empty(void **page)
{
	u32 i;

	for (i = 0; i < SOSNAP_SLOTS; i++)
		if (READ_ONCE(page[i]))
			return false;
	return true;
}

/**
 * sosnap_slots_trim() - free the pages on the way to an index that are empty
 * @t:     the map
 * @index: the index
 * Context: load_lock held.
 */
void sosnap_slots_trim(struct sosnap_slots *t, u64 index)
{
	void **at[BITS_PER_LONG_LONG / SOSNAP_SLOTS_SHIFT + 1];
	u32 shift = t->shift, n = 0;
	void **page;

	/* at[n]: the slot that holds the page of level n */
	for (at[0] = (void **)&t->root; *at[n] && shift; shift -= SOSNAP_SLOTS_SHIFT, n++)
		at[n + 1] = (void **)*at[n] + slot_of(index, shift);
	if (!*at[n] && !n--)
		return;
	for (;; n--) {
		page = *at[n];
		if (!empty(page))
			return;
		WRITE_ONCE(*at[n], NULL);
		call_rcu(&virt_to_page(page)->rcu_head, free_page_rcu);
		t->pages--;
		if (!n)
			return;
	}
}

static void free_pages_below(void **page, u32 shift)
{
	u32 i;

	for (i = 0; shift && i < SOSNAP_SLOTS; i++)
		if (page[i])
			free_pages_below(page[i], shift - SOSNAP_SLOTS_SHIFT);
	free_page((unsigned long)page);
}

/**
 * sosnap_slots_exit() - free a map
 * @t: nobody uses it any more; what its slots point to is the caller's
 */
void sosnap_slots_exit(struct sosnap_slots *t)
{
	if (t->root)
		free_pages_below(t->root, t->shift);
	t->root = NULL;
	t->pages = 0;
}
