/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol.h"

#include <stdalign.h>
#include <string.h>

#include "board_config.h"
#include "clip.h"
#include "frame.h"
#include "hal.h"

#ifndef ASCMCU_TOOL_VERSION
#define ASCMCU_TOOL_VERSION "unknown"
#endif
#ifndef ASCMCU_BUILD_FLAGS
#define ASCMCU_BUILD_FLAGS "unknown"
#endif
#define NO_SHA256 "0000000000000000000000000000000000000000000000000000000000000000"
#ifndef ASCMCU_BUILD_SHA256
#define ASCMCU_BUILD_SHA256 NO_SHA256
#endif
#if !ASCMCU_FRONTEND
#define FRONTEND_SPEC_SHA256 NO_SHA256
#endif

#define HEADER_BYTES 4u     /* type, flags, request number */
#define DATA_AT_BYTES 12u   /* header, clip, offset: keeps the data 4-byte aligned */
#define LAYERS_PER_FRAME 64u

/* On the wire: the payload, a code byte for each 254 bytes of it and one more, a delimiter at either end. */
#define FRAME_BYTES(payload) ((payload) + FRAME_CRC_BYTES + ((payload) + FRAME_CRC_BYTES) / 254u + 1u + 2u)

/* A chunk holds whole sample frames, and whole numbers of any type. */
#if ASCMCU_FRONTEND
#define CHUNK_UNIT_BYTES (4 * FRONTEND_CHANNELS)
#else
#define CHUNK_UNIT_BYTES 4
#endif
#define CHUNK_BYTES (PROTOCOL_CHUNK_BYTES / CHUNK_UNIT_BYTES * CHUNK_UNIT_BYTES)
_Static_assert(CHUNK_BYTES > 0, "a sample frame fits a chunk");
_Static_assert(DATA_AT_BYTES % 4 == 0, "samples and rows are read where they lie");
_Static_assert(PROTOCOL_CREDITS * FRAME_BYTES(DATA_AT_BYTES + PROTOCOL_CHUNK_BYTES) + PROTOCOL_SPARE_BYTES <=
                   PROTOCOL_RECEIVE_BYTES,
               "what the host may have under way has room, however fast it comes");

enum clip_state { CLIP_CLOSED, CLIP_OPEN, CLIP_DONE, CLIP_FAILED };

/* What has come, and the frame that it holds once it is decoded: there is no other copy. */
static alignas(4) uint8_t received[PROTOCOL_RECEIVE_BYTES] IN_PROTOCOL_RAM;
static struct frame_decoder decoder IN_PROTOCOL_RAM;

static struct {
    enum clip_state state;
    enum clip_kind kind;
    uint32_t clip;      /* the host's number for it */
    uint32_t offset;    /* bytes taken */
    uint32_t total;
    uint32_t input_crc; /* over all bytes taken, so that the host can prove what was scored */
    uint32_t disturbed; /* chunks during whose processing the receive interrupt ran */
    uint32_t idle_rounds;
    uint32_t bad_frames, duplicates, rerequests, frames;
} session IN_PROTOCOL_RAM;

static uint32_t load_u32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static uint16_t load_u16(const uint8_t *from) { return (uint16_t)(from[0] | from[1] << 8); }

static void reply(enum protocol_type type, uint8_t flags, uint16_t request)
{
    frame_begin();
    frame_put_u8((uint8_t)type);
    frame_put_u8(flags);
    frame_put_u16(request);
}

static void put_text(const char *text)
{
    const size_t length = strlen(text);
    const uint8_t kept = length > 255 ? 255 : (uint8_t)length;

    frame_put_u8(kept);
    frame_put(text, kept);
}

static void put_sha256(const char *hex)
{
    for (size_t i = 0; i < 32; i++) {
        uint8_t value = 0;
        for (size_t k = 0; k < 2; k++) {
            const char digit = hex[2 * i + k];
            value = (uint8_t)(value << 4 | (digit <= '9' ? digit - '0' : digit - 'a' + 10));
        }
        frame_put_u8(value);
    }
}

_Static_assert(sizeof MODEL_SHA256 == 65, "a SHA-256 has 64 hexadecimal digits");
_Static_assert(sizeof ASCMCU_BUILD_SHA256 == 65, "a SHA-256 has 64 hexadecimal digits");
_Static_assert(sizeof FRONTEND_SPEC_SHA256 == 65, "a SHA-256 has 64 hexadecimal digits");
_Static_assert(MODEL_LAYERS <= 65535, "LAYERS asks with 16 bits");

static void send_hello(uint16_t request)
{
    struct hal_status status;
    uint8_t capabilities = 0;

    hal_status(&status);
#if ASCMCU_FRONTEND
    capabilities |= PROTOCOL_HAS_FRONTEND;
#endif
#ifdef MODEL_CYCLES_HEADER
    capabilities |= PROTOCOL_HAS_PROFILE;
#endif
    reply(PROTOCOL_IS_HELLO, capabilities, request);
    frame_put_u8(PROTOCOL_VERSION);
    frame_put_u8(status.counter);
    frame_put_u8(status.clock);
    frame_put_u8(status.wait_states);
    frame_put_u32(status.clock_hz);
    frame_put_u16(PROTOCOL_CREDITS);
    frame_put_u16(CHUNK_BYTES);
    frame_put_u16(PROTOCOL_RECEIVE_BYTES);
    put_sha256(MODEL_SHA256);
#if MODEL_INPUTS == 1
    frame_put_u32(MODEL_INPUT_ROWS);
    frame_put_u32(MODEL_INPUT_ROW_BYTES);
#else
    /* The rows of several inputs differ: to the host they are one. */
    frame_put_u32(1);
    frame_put_u32(MODEL_INPUT_BYTES);
#endif
#if ASCMCU_FRONTEND
    frame_put_u32(FRONTEND_SAMPLE_RATE_HZ);
    frame_put_u32(FRONTEND_CLIP_SAMPLES);
    frame_put_u16(FRONTEND_CHANNELS);
#else
    frame_put_u32(0);
    frame_put_u32(0);
    frame_put_u16(0);
#endif
    frame_put_u16(MODEL_OUTPUTS);
    frame_put_u32(MODEL_OUTPUT_BYTES);
    frame_put_u32(MODEL_LAYERS);
    put_sha256(ASCMCU_BUILD_SHA256);
    put_sha256(FRONTEND_SPEC_SHA256);
    frame_put_u32(status.probe.instructions);
    frame_put_u32(status.probe.additions);
    frame_put_u32(status.probe.divisions);
    put_text(MODEL_NAME);
    put_text(BOARD_NAME);
    put_text(MODEL_SCHEDULE);
    put_text(ASCMCU_TOOL_VERSION);
    put_text(ASCMCU_BUILD_FLAGS);
    frame_put_u8(status.reset);
    frame_put_u8((uint8_t)status.last_fault.exception);
    frame_put_u32(status.last_fault.pc);
    frame_put_u32(status.last_fault.lr);
    frame_put_u32(status.last_fault.cfsr);
    frame_put_u32(status.last_fault.hfsr);
    frame_put_u32(status.last_fault.mmfar);
    frame_put_u32(status.last_fault.bfar);
    frame_end();
}

static void send_error(enum protocol_error code, uint16_t request, uint32_t clip, uint32_t detail)
{
    reply(PROTOCOL_ERROR, (uint8_t)code, request);
    frame_put_u32(clip);
    frame_put_u32(detail);
    frame_end();
}

static void send_ready(enum protocol_cause cause, uint16_t request)
{
    reply(PROTOCOL_READY, (uint8_t)cause, request);
    frame_put_u32(session.clip);
    frame_put_u32(session.offset);
    frame_put_u16(PROTOCOL_CREDITS);
    frame_end();
}

static void send_result(uint16_t request)
{
    const struct clip_counts *counts = clip_counts();

#if ASCMCU_DECISIONS
    reply(PROTOCOL_RESULT, (uint8_t)PROTOCOL_DECIDES, request);
#else
    reply(PROTOCOL_RESULT, 0, request);
#endif
    frame_put_u32(session.clip);
    frame_put_u32(session.input_crc);
    frame_put_u64(counts->frontend);
    frame_put_u64(counts->network);
    frame_put_u64(counts->worst_hop);
    frame_put_u64(counts->latency);
    frame_put_u32(counts->rows);
    frame_put_u32(session.disturbed);
    for (unsigned i = 0; i < MODEL_OUTPUTS; i++) {
        frame_put(model_output(i), model_output_bytes(i));
    }
#if ASCMCU_DECISIONS
    for (size_t i = 0; i < counts->events_count; i++) {
        frame_put_u16(counts->events[i].rule);
        frame_put_u32(counts->events[i].start_hop);
        frame_put_u32((uint32_t)counts->events[i].score);
    }
    frame_put_u8((uint8_t)counts->events_count);
#endif
    frame_end();
}

/* Where the exchange stands, said again: after a duplicate, a loss or a silence. */
static void send_where(enum protocol_cause cause, uint16_t request)
{
    switch (session.state) {
    case CLIP_OPEN:
        send_ready(cause, request);
        break;
    case CLIP_DONE:
        send_result(request);
        break;
    case CLIP_FAILED:
        send_error(PROTOCOL_INCOMPLETE, request, session.clip, session.offset);
        break;
    case CLIP_CLOSED:
    default:
        break;
    }
}

/* Whether the states are those that the last step of the host's clip left. */
static bool stands_behind_a_step(void)
{
    const bool untouched = session.state == CLIP_OPEN && session.offset == 0;

    return MODEL_STATE_BYTES > 0 && (session.state == CLIP_DONE || untouched);
}

static void take_begin(uint8_t flags, uint16_t request, const uint8_t *body, size_t size)
{
    if (size != 8) {
        send_error(PROTOCOL_BAD_LENGTH, request, 0, (uint32_t)size);
        return;
    }
    const uint32_t clip = load_u32(body);
    const uint32_t total = load_u32(body + 4);
    const bool continues = (flags & (uint8_t)PROTOCOL_CONTINUES) != 0;
    const uint8_t asked = (uint8_t)(flags & ~(uint8_t)PROTOCOL_CONTINUES);
    const enum clip_kind kind = asked == (uint8_t)CLIP_TENSOR ? CLIP_TENSOR : CLIP_AUDIO;

    if (continues && session.state == CLIP_DONE && clip == session.clip) {
        send_where(PROTOCOL_DUPLICATE, request); /* the step was taken: begun anew it would be another one */
        return;
    }
    if (continues && !stands_behind_a_step()) {
        send_error(PROTOCOL_NO_CLIP, request, clip, 0);
        return;
    }
    if (asked > (uint8_t)CLIP_TENSOR || total == 0 || total != clip_bytes(kind, continues)) {
        session.state = CLIP_CLOSED;
        send_error(PROTOCOL_BAD_CLIP, request, clip, clip_bytes(kind, continues));
        return;
    }
    session.state = CLIP_OPEN;
    session.kind = kind;
    session.clip = clip;
    session.offset = 0;
    session.total = total;
    session.input_crc = 0;
    session.disturbed = 0;
    clip_begin(kind, continues);
    send_ready(PROTOCOL_ACCEPTED, request);
}

static void run_chunk(const uint8_t *data, size_t size)
{
    struct hal_status before;
    struct hal_status after;

    session.input_crc = frame_crc(session.input_crc, data, size);
    session.offset += (uint32_t)size;
    hal_quiet();
    hal_status(&before);
    clip_feed(data, size);
    if (session.offset == session.total) {
        session.state = clip_finish() ? CLIP_DONE : CLIP_FAILED;
    }
    hal_status(&after);
    if (after.received_bytes != before.received_bytes) {
        session.disturbed++;
    }
}

static bool chunk_fits(size_t size)
{
    const uint32_t left = session.total - session.offset;
    size_t unit = 1;

#if ASCMCU_FRONTEND
    if (session.kind == CLIP_AUDIO) {
        unit = sizeof(int16_t) * (size_t)FRONTEND_CHANNELS;
    }
#endif
    return size > 0 && size <= left && size % unit == 0;
}

static void take_data(uint16_t request, const uint8_t *body, size_t size)
{
    if (size < 8) {
        send_error(PROTOCOL_BAD_LENGTH, request, 0, (uint32_t)size);
        return;
    }
    const uint32_t clip = load_u32(body);
    const uint32_t offset = load_u32(body + 4);

    if (session.state == CLIP_CLOSED || clip != session.clip) {
        send_error(PROTOCOL_NO_CLIP, request, clip, offset);
    } else if (offset < session.offset) {
        session.duplicates += size > 8;
        send_where(PROTOCOL_DUPLICATE, request);
    } else if (offset > session.offset) {
        session.rerequests++;
        send_where(PROTOCOL_AGAIN, request);
    } else if (size == 8) { /* no data: the host asks where the exchange stands */
        send_where(PROTOCOL_AGAIN, request);
    } else if (session.state != CLIP_OPEN || !chunk_fits(size - 8)) {
        send_error(PROTOCOL_BAD_LENGTH, request, clip, (uint32_t)size);
    } else {
        run_chunk(body + 8, size - 8);
        send_where(PROTOCOL_ACCEPTED, request);
    }
}

static void take_layers(uint16_t request, const uint8_t *body, size_t size)
{
    if (size != 2) {
        send_error(PROTOCOL_BAD_LENGTH, request, 0, (uint32_t)size);
        return;
    }
    const unsigned first = load_u16(body);
    const unsigned left = first < MODEL_LAYERS ? MODEL_LAYERS - first : 0u;
    const unsigned count = left < LAYERS_PER_FRAME ? left : LAYERS_PER_FRAME;

    reply(PROTOCOL_IS_LAYERS, 0, request);
    frame_put_u32(session.state == CLIP_DONE ? session.clip : 0);
    frame_put_u16((uint16_t)first);
    frame_put_u16((uint16_t)count);
    for (unsigned i = 0; i < count; i++) {
#ifdef MODEL_CYCLES_HEADER
        frame_put_u32(model_layer_cycles[first + i]);
#else
        frame_put_u32(0);
#endif
    }
    frame_end();
}

static void send_statistics(uint16_t request)
{
    struct hal_status status;

    hal_status(&status);
    reply(PROTOCOL_IS_STATISTICS, 0, request);
    frame_put_u32(status.stack_bytes);
    frame_put_u32(hal_stack_peak());
    frame_put_u32(status.received_bytes);
    frame_put_u32(status.overruns);
    frame_put_u32(status.line_errors);
    frame_put_u32(status.send_timeouts);
    frame_put_u32(session.frames);
    frame_put_u32(session.bad_frames);
    frame_put_u32(session.duplicates);
    frame_put_u32(session.rerequests);
    frame_end();
}

static void take_frame(const uint8_t *frame, size_t size)
{
    session.frames++;
    if (size < HEADER_BYTES) {
        send_error(PROTOCOL_BAD_LENGTH, 0, 0, (uint32_t)size);
        return;
    }
    const uint8_t flags = frame[1];
    const uint16_t request = load_u16(frame + 2);
    const uint8_t *body = frame + HEADER_BYTES;
    const size_t body_size = size - HEADER_BYTES;

    switch (frame[0]) {
    case PROTOCOL_HELLO:
        session.state = CLIP_CLOSED; /* a new host knows nothing of the old one's clip */
        send_hello(request);
        break;
    case PROTOCOL_BEGIN:
        take_begin(flags, request, body, body_size);
        break;
    case PROTOCOL_DATA:
        take_data(request, body, body_size);
        break;
    case PROTOCOL_LAYERS:
        take_layers(request, body, body_size);
        break;
    case PROTOCOL_STATISTICS:
        send_statistics(request);
        break;
    default:
        send_error(PROTOCOL_BAD_TYPE, request, 0, frame[0]);
        break;
    }
}

static void take_bad_frame(void)
{
    session.bad_frames++;
    if (session.state == CLIP_CLOSED) {
        send_error(PROTOCOL_BAD_FRAME, 0, 0, session.bad_frames);
    } else {
        session.rerequests++;
        send_where(PROTOCOL_AGAIN, 0);
    }
}

/* Nothing came for PROTOCOL_IDLE_MS. */
static void ask_again(void)
{
    if (session.state == CLIP_CLOSED) {
        return;
    }
    if (++session.idle_rounds > PROTOCOL_IDLE_ROUNDS) {
        session.state = CLIP_CLOSED;
        return;
    }
    session.rerequests += session.state == CLIP_OPEN;
    send_where(PROTOCOL_AGAIN, 0);
}

void protocol_init(void)
{
    hal_init(received, sizeof received);
    frame_decoder_init(&decoder, received, sizeof received);
    clip_init();
    send_hello(0); /* unasked: a host in the middle of a clip learns that the device has restarted */
}

void protocol_step(void)
{
    const size_t there = hal_wait(decoder.at, PROTOCOL_IDLE_MS);

    if (there == decoder.at) {
        ask_again();
        return;
    }
    session.idle_rounds = 0;
    switch (frame_decode(&decoder, there)) {
    case FRAME_READY:
        take_frame(received, decoder.size);
        break;
    case FRAME_BAD:
        take_bad_frame();
        break;
    case FRAME_NONE:
    default:
        break;
    }
    const size_t done = frame_release(&decoder);

    if (done > 0) {
        hal_drop(done);
    }
}

void app_fault(const struct hal_fault *fault)
{
    /* A frame may have been under way: the delimiter ends it, so that this one is not swallowed. */
    static const uint8_t delimiter = 0;

    (void)hal_write(&delimiter, 1);
    reply(PROTOCOL_FAULT, (uint8_t)fault->exception, 0);
    frame_put_u32(fault->pc);
    frame_put_u32(fault->lr);
    frame_put_u32(fault->cfsr);
    frame_put_u32(fault->hfsr);
    frame_put_u32(fault->mmfar);
    frame_put_u32(fault->bfar);
    frame_put_u32(hal_stack_peak());
    frame_end();
}
