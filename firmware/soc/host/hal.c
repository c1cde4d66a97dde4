/* SPDX-License-Identifier: Apache-2.0 */
/* The firmware as a program: standard input and output are the serial port, end of input switches it off. */
#define _POSIX_C_SOURCE 200809L

#include "hal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const volatile uint32_t no_counter;
const volatile uint32_t *hal_counter_register = &no_counter;

static uint8_t *received; /* the application's buffer */
static size_t received_capacity, received_size;
static uint32_t received_bytes;

void hal_init(uint8_t *buffer, size_t size)
{
    received = buffer;
    received_capacity = size;
}

size_t hal_wait(size_t seen, uint32_t limit_ms)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

    if (received_size > seen || poll(&input, 1, (int)limit_ms) <= 0) {
        return received_size;
    }
    const ssize_t got = read(STDIN_FILENO, received + received_size, received_capacity - received_size);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
        exit(EXIT_SUCCESS);
    }
    if (got > 0) {
        received_size += (size_t)got;
        received_bytes += (uint32_t)got;
    }
    return received_size;
}

void hal_drop(size_t count)
{
    received_size -= count;
    memmove(received, received + count, received_size);
}

bool hal_write(const uint8_t *from, size_t size)
{
    while (size > 0) {
        const ssize_t put = write(STDOUT_FILENO, from, size);
        if (put < 0 && errno != EINTR) {
            exit(EXIT_FAILURE); /* nobody is listening any more */
        }
        if (put > 0) {
            from += put;
            size -= (size_t)put;
        }
    }
    return true;
}

void hal_quiet(void) {}

void hal_status(struct hal_status *status)
{
    *status = (struct hal_status){.received_bytes = received_bytes, .counter = HAL_COUNTER_NONE};
}

uint32_t hal_stack_peak(void) { return 0; }
