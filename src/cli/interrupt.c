/* A handler that sets a flag. What waits looks at the flag, every SLICE_MS at the latest: a signal
 * that arrives between the look and the sleep would be noticed only when that is over. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "base/clock.h"

#define SLICE_MS 100

static volatile sig_atomic_t is_noted;
static struct sigaction before;

static void on_interrupt(int signal)
{
        (void)signal;
        is_noted = 1;
}

void pgw_cli_interrupt_start(void)
{
        const struct sigaction note = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};

        is_noted = 0;
        sigaction(SIGINT, NULL, &before);
        if (before.sa_handler != SIG_IGN)
                sigaction(SIGINT, &note, NULL);
}

void pgw_cli_interrupt_stop(void)
{
        sigaction(SIGINT, &before, NULL);
}

bool pgw_cli_is_interrupted(void)
{
        return is_noted;
}

void pgw_cli_pause(uint64_t ms)
{
        const uint64_t until_ms = pgw_mono_ms() + ms;

        for (uint64_t now_ms; !is_noted && (now_ms = pgw_mono_ms()) < until_ms;) {
                const uint64_t left_ms = until_ms - now_ms;
                const long slice_ms = left_ms < SLICE_MS ? (long)left_ms : SLICE_MS;
                nanosleep(&(struct timespec){.tv_nsec = slice_ms * 1000000L}, NULL);
        }
}
