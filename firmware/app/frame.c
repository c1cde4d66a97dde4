/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <string.h>

#include "hal.h"

#define COBS_BLOCK_BYTES 254u

/* Two steps of four bits per byte: 64 bytes of table instead of 1024, at some 15 cycles per byte. */
uint32_t frame_crc(uint32_t crc, const uint8_t *data, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };

    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return ~crc;
}

static void decoder_restart(struct frame_decoder *decoder)
{
    decoder->size = 0;
    decoder->block_left = 0;
    decoder->block_zero = false;
    decoder->started = false;
    decoder->broken = false;
}

void frame_decoder_init(struct frame_decoder *decoder, uint8_t *buffer, size_t capacity)
{
    decoder->buffer = buffer;
    decoder->capacity = capacity;
    decoder->at = 0;
    decoder_restart(decoder);
}

static uint32_t load_u32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static enum frame_event decoder_finish(struct frame_decoder *decoder)
{
    const bool whole = !decoder->broken && decoder->block_left == 0 && decoder->size > FRAME_CRC_BYTES;
    const size_t payload = decoder->size - FRAME_CRC_BYTES;

    decoder->started = false;
    if (!whole || frame_crc(0, decoder->buffer, payload) != load_u32(&decoder->buffer[payload])) {
        return FRAME_BAD;
    }
    decoder->size = payload;
    return FRAME_READY;
}

/* A byte that is no delimiter. Its own code byte and those before it lie in front of it: what is stored is always
 * behind `at`. */
static void decoder_take(struct frame_decoder *decoder, uint8_t byte)
{
    if (decoder->block_left > 0) {
        decoder->block_left--;
        decoder->buffer[decoder->size++] = byte;
        return;
    }
    if (decoder->started && decoder->block_zero) {
        decoder->buffer[decoder->size++] = 0;
    }
    decoder->started = true;
    decoder->block_left = (uint8_t)(byte - 1u);
    decoder->block_zero = byte != COBS_BLOCK_BYTES + 1u;
}

enum frame_event frame_decode(struct frame_decoder *decoder, size_t there)
{
    while (decoder->at < there) {
        const uint8_t byte = decoder->buffer[decoder->at++];

        if (byte != 0) {
            if (decoder->broken) {
                continue;
            }
            decoder_take(decoder, byte);
        } else if (decoder->started) {
            return decoder_finish(decoder);
        } /* else a delimiter repeated, by which a sender ends what a disturbance began */
    }
    decoder->broken |= decoder->started && decoder->at == decoder->capacity; /* longer than any frame */
    return FRAME_NONE;
}

size_t frame_release(struct frame_decoder *decoder)
{
    const bool needed = decoder->started && !decoder->broken;
    const size_t count = needed ? 0 : decoder->at;

    if (!needed) {
        decoder->at = 0;
    }
    if (!decoder->started) {
        decoder_restart(decoder);
    }
    return count;
}

/* Encoded bytes that have not been handed over: whole COBS blocks, then the open one, whose code byte is known only when it
 * is complete. Mostly a frame goes out at once. */
static struct {
    uint8_t bytes[COBS_BLOCK_BYTES + 2u];
    size_t used;
    size_t code; /* where the open block's code byte belongs */
    bool failed;
    uint32_t crc;
} out IN_PROTOCOL_RAM;

/* A receiver drops what follows a failed write: its CRC cannot be right. Time must not be spent on it either. */
static void out_hand_over(size_t count)
{
    out.failed = out.failed || !hal_write(out.bytes, count);
    memmove(out.bytes, out.bytes + count, out.used - count);
    out.used -= count;
    out.code -= count;
}

static void out_put(uint8_t byte)
{
    if (out.used == sizeof out.bytes) {
        out_hand_over(out.code);
    }
    out.bytes[out.used++] = byte;
}

static void out_close_block(void) { out.bytes[out.code] = (uint8_t)(out.used - out.code); }

static void out_open_block(void)
{
    out_put(0);
    out.code = out.used - 1u;
}

static void out_raw(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size && !out.failed; i++) {
        if (data[i] != 0u) {
            out_put(data[i]);
        }
        if (data[i] == 0u || out.used - out.code == COBS_BLOCK_BYTES + 1u) {
            out_close_block();
            out_open_block();
        }
    }
}

void frame_begin(void)
{
    out.used = 0;
    out.code = 0;
    out.failed = false;
    out.crc = 0;
    out_open_block();
}

void frame_put(const void *data, size_t size)
{
    out.crc = frame_crc(out.crc, data, size);
    out_raw(data, size);
}

void frame_put_u8(uint8_t value) { frame_put(&value, 1); }

void frame_put_u16(uint16_t value)
{
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    frame_put(bytes, sizeof bytes);
}

void frame_put_u32(uint32_t value)
{
    frame_put_u16((uint16_t)value);
    frame_put_u16((uint16_t)(value >> 16));
}

void frame_put_u64(uint64_t value)
{
    frame_put_u32((uint32_t)value);
    frame_put_u32((uint32_t)(value >> 32));
}

void frame_end(void)
{
    frame_put_u32(out.crc);
    out_close_block();
    out_put(0);
    if (!out.failed) {
        out_hand_over(out.used);
    }
    if (out.failed) { /* what has left is cut off, so that the next frame is whole */
        static const uint8_t delimiter = 0;

        (void)hal_write(&delimiter, 1);
    }
}
