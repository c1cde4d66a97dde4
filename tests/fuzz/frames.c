/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes what a device does with bytes from the line: frame decoder, protocol, clip, with a small network behind it.
 *
 * With clang: libFuzzer (LLVMFuzzerTestOneInput is its entry). Otherwise the main() below mutates by itself. The input's
 * bytes are the line, as they are; or, when its first byte is odd, pieces that are framed first (length u8, payload),
 * so that requests behind a right CRC are reached as well. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "hal.h"
#include "protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- a chip without a line: what is sent is only looked at ---- */

static const volatile uint32_t no_counter;
const volatile uint32_t *hal_counter_register = &no_counter;
static uint32_t sum_of_sent, delimiters, sent_bytes;

static uint8_t *received;
static size_t received_size, received_capacity;

void hal_init(uint8_t *buffer, size_t size)
{
    received = buffer;
    received_capacity = size;
    received_size = 0;
}

size_t hal_wait(size_t seen, uint32_t limit_ms)
{
    (void)limit_ms;
    if (seen > received_size) {
        abort();
    }
    return received_size;
}

void hal_drop(size_t count)
{
    if (count > received_size) {
        abort();
    }
    received_size -= count;
    memmove(received, received + count, received_size);
}

void hal_quiet(void) {}
uint32_t hal_stack_peak(void) { return 0; }
void hal_status(struct hal_status *status) { *status = (struct hal_status){.received_bytes = sent_bytes / 7u}; }

bool hal_write(const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum_of_sent += from[i];
        delimiters += from[i] == 0;
    }
    sent_bytes += (uint32_t)size;
    return sent_bytes % 64u != 0; /* now and then the transmitter hangs */
}

/* ---- the line ---- */

/* Bytes arrive in bursts of any size; what finds no room is lost. The last step sees nothing new: silence. */
static void take(const uint8_t *data, size_t size)
{
    const size_t burst = 1u + size * 7u % 2000u;

    for (size_t at = 0; at < size;) {
        for (size_t i = 0; i < burst && at < size; i++, at++) {
            if (received_size < received_capacity) {
                received[received_size++] = data[at];
            }
        }
        for (size_t before = SIZE_MAX; received_size < before;) {
            before = received_size;
            protocol_step();
        }
    }
    protocol_step();
}

static void take_framed(const uint8_t *payload, size_t size)
{
    static uint8_t raw[300], coded[400];
    size_t code_at = 0, at = 1;
    const uint32_t crc = frame_crc(0, payload, size);

    memcpy(raw, payload, size);
    for (size_t i = 0; i < 4; i++) {
        raw[size + i] = (uint8_t)(crc >> 8 * i);
    }
    for (size_t i = 0; i < size + 4; i++) {
        if (raw[i] != 0) {
            coded[at++] = raw[i];
        }
        if (raw[i] == 0 || at - code_at == 255) {
            coded[code_at] = (uint8_t)(at - code_at);
            code_at = at++;
        }
    }
    coded[code_at] = (uint8_t)(at - code_at);
    coded[at++] = 0;
    take(coded, at);
}

/* The decoder alone, over a buffer of any small size whose end the sanitizer watches. */
static int take_decoder(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    const size_t capacity = 1u + data[0] % 64u;
    uint8_t *buffer = malloc(capacity);
    struct frame_decoder decoder;

    if (buffer == NULL) {
        abort();
    }
    frame_decoder_init(&decoder, buffer, capacity);
    for (size_t from = 1, filled = 0; from < size;) {
        for (size_t burst = 1u + data[from] % 9u; burst > 0 && from < size && filled < capacity; burst--) {
            buffer[filled++] = data[from++];
        }
        const enum frame_event event = frame_decode(&decoder, filled);

        if (event == FRAME_READY) { /* what is handed on lies in the buffer, CRC behind it */
            if (decoder.size + FRAME_CRC_BYTES > capacity || decoder.size == 0) {
                abort();
            }
            sum_of_sent += frame_crc(0, buffer, decoder.size);
        }
        const size_t done = frame_release(&decoder);

        if (done > filled || (filled == capacity && done == 0)) { /* no byte would ever fit again */
            abort();
        }
        filled -= done;
        memmove(buffer, buffer + done, filled);
    }
    free(buffer);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#ifdef DECODER_ALONE
    return take_decoder(data, size);
#endif
    (void)take_decoder;
    protocol_init();
    if (size == 0) {
        return 0;
    }
    if (data[0] % 2u == 0) {
        take(data + 1, size - 1);
        return 0;
    }
    for (size_t at = 1; at < size;) {
        const size_t length = data[at] < size - at - 1 ? data[at] : size - at - 1;

        take_framed(data + at + 1, length);
        at += 1 + length;
    }
    return 0;
}

#ifdef FRAMES_MAIN
/* Without libFuzzer: seeds, and mutations of them, from one fixed random sequence. */
static uint64_t state = 88172645463325252u;

static uint32_t random32(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

int main(int count, char **arguments)
{
    static const uint8_t seed[] = {1, 4, 1, 0, 1, 0, 12, 2, 1, 2, 0, 7, 0, 0, 0, 0x33, 0x0B, 0, 0,
                                   16, 3, 0, 3, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 6, 4, 0, 4, 0, 0, 0, 4, 5, 0, 5, 0};
    const long runs = count > 1 ? atol(arguments[1]) : 1000;
    uint8_t input[512];

    for (long run = 0; run < runs; run++) {
        size_t size = sizeof seed;

        memcpy(input, seed, size);
        for (uint32_t i = random32() % 12u; i > 0; i--) {
            const size_t at = random32() % size;

            switch (random32() % 4u) {
            case 0:
                input[at] ^= (uint8_t)(1u << random32() % 8u);
                break;
            case 1:
                input[at] = (uint8_t)random32();
                break;
            case 2:
                memmove(input + at, input + at + 1, size - at - 1);
                size -= size > 2;
                break;
            default:
                if (size + 32u <= sizeof input) {
                    memmove(input + at + 32, input + at, size - at);
                    size += 32;
                }
                break;
            }
        }
        LLVMFuzzerTestOneInput(input, size);
    }
    printf("%ld executions, %u bytes sent, %u frames, sum %u\n", runs, sent_bytes, delimiters, sum_of_sent);
    return 0;
}
#endif
