/* The newest chunk is the head of the list and the only one that still has room;
 * the first chunk ever made is the tail and survives a reset. */
#include "base/arena.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

#define PGW_ARENA_FIRST_SIZE 4096
#define PGW_ARENA_ALIGN      _Alignof(max_align_t)

struct pgw_arena_chunk {
        struct pgw_arena_chunk *next;
        size_t used, size;
        _Alignas(PGW_ARENA_ALIGN) char bytes[];
};

void pgw_arena_init(struct pgw_arena *a, size_t max_size)
{
        *a = (struct pgw_arena){NULL, 0, max_size};
}

void pgw_arena_fini(struct pgw_arena *a)
{
        while (a->_chunks) {
                struct pgw_arena_chunk *next = a->_chunks->next;
                pgw_free(a->_chunks);
                a->_chunks = next;
        }
        a->_used = 0;
}

void pgw_arena_reset(struct pgw_arena *a)
{
        while (a->_chunks && a->_chunks->next) {
                struct pgw_arena_chunk *next = a->_chunks->next;
                pgw_free(a->_chunks);
                a->_chunks = next;
        }
        if (a->_chunks)
                a->_chunks->used = 0;
        a->_used = 0;
}

void *pgw_arena_take(struct pgw_arena *a, size_t size)
{
        if (size > a->_max)
                return NULL;
        size = (size + PGW_ARENA_ALIGN - 1) & ~(PGW_ARENA_ALIGN - 1);
        if (size > a->_max - a->_used)
                return NULL;

        struct pgw_arena_chunk *chunk = a->_chunks;
        if (!chunk || chunk->size - chunk->used < size) {
                size_t room = chunk ? chunk->size * 2 : PGW_ARENA_FIRST_SIZE;
                while (room < size)
                        room *= 2;
                struct pgw_arena_chunk *fresh = pgw_alloc(sizeof *fresh + room);
                fresh->next = chunk;
                fresh->size = room;
                a->_chunks = chunk = fresh;
        }
        void *p = chunk->bytes + chunk->used;
        chunk->used += size;
        a->_used += size;
        return p;
}

struct pgw_str pgw_arena_dup(struct pgw_arena *a, struct pgw_str s)
{
        char *copy = s.n < SIZE_MAX ? pgw_arena_take(a, s.n + 1) : NULL;

        if (!copy)
                return (struct pgw_str){NULL, 0};
        if (s.n)
                memcpy(copy, s.p, s.n);
        copy[s.n] = '\0';
        return pgw_str_of(copy, s.n);
}
