/* SPDX-License-Identifier: Apache-2.0 */
/* Frames on a byte stream: COBS(payload, CRC-32 little-endian) and a zero byte behind it (docs/protocol.md). */
#ifndef ASCMCU_FRAME_H
#define ASCMCU_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_CRC_BYTES 4u

/* Continues a CRC-32 (IEEE 802.3, reflected); start with 0. */
uint32_t frame_crc(uint32_t crc, const uint8_t *data, size_t size);

/* Decodes a frame where its bytes lie: what comes out is never longer than what went in, so it goes to the front of the
 * same buffer. The bytes that follow the frame stay as they are. */
struct frame_decoder {
    uint8_t *buffer;
    size_t capacity;
    size_t at;           /* the next byte to decode */
    size_t size;         /* decoded bytes; of a complete frame its payload */
    uint8_t block_left;  /* data bytes to come in the open COBS block */
    bool block_zero;     /* a zero belongs behind the open block, if another block follows */
    bool started, broken;
};

enum frame_event {
    FRAME_NONE,  /* more bytes needed */
    FRAME_READY, /* `size` payload bytes (CRC checked and cut off) lie at the buffer's front */
    FRAME_BAD,   /* something ended here that is no frame */
};

void frame_decoder_init(struct frame_decoder *decoder, uint8_t *buffer, size_t capacity);

/* Goes on up to the first `there` bytes of the buffer, or to the end of a frame. */
enum frame_event frame_decode(struct frame_decoder *decoder, size_t there);

/* How many bytes at the buffer's front are no longer needed; the caller removes them. After an event these are the
 * frame's, and the next one begins. Of a frame that is under way they are none; of noise, all that has been seen. */
size_t frame_release(struct frame_decoder *decoder);

/* Sends one frame piece by piece: begin, any number of puts, end. */
void frame_begin(void);
void frame_put(const void *data, size_t size);
void frame_put_u8(uint8_t value);
void frame_put_u16(uint16_t value);
void frame_put_u32(uint32_t value);
void frame_put_u64(uint64_t value);
void frame_end(void);

#endif
