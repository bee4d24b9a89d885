/* base/panic.h - what must never happen.
 *
 * An assertion states our own deeds; it is never reachable from bytes that come
 * from a socket, a file or Redis, and it is never compiled out. A panic prints
 * one line and aborts: the queue acknowledges late, so a restart loses nothing.
 */
#ifndef PGW_BASE_PANIC_H
#define PGW_BASE_PANIC_H

#define PGW_PRINTF(format_index, first_index)                                                      \
        __attribute__((format(printf, format_index, first_index)))
#define PGW_MUSTUSE  __attribute__((warn_unused_result))
#define PGW_NORETURN __attribute__((noreturn))

#define PGW_ASSERT(expr)                                                                           \
        do {                                                                                       \
                if (__builtin_expect(!(expr), 0))                                                  \
                        pgw_panic("%s:%d: %s: assertion failed: %s", __FILE__, __LINE__, __func__, \
                                  #expr);                                                          \
        } while (0)

/* The object of type `type` whose field `field` is at `ptr`. */
#define PGW_CONTAINER(ptr, type, field) ((type *)(void *)((char *)(ptr)-offsetof(type, field)))

/* Print the message on stderr in one line and abort. */
void pgw_panic(const char *format, ...) PGW_PRINTF(1, 2) PGW_NORETURN;

#endif
