/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of the wire protocol: docs/protocol.md. The values here are the protocol; benchmark/wire.py has the
 * same ones, and a test compares them. */
#ifndef ASCMCU_PROTOCOL_H
#define ASCMCU_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#define PROTOCOL_VERSION 3
#define PROTOCOL_RECEIVE_BYTES 1536 /* room for what is under way: encoded frames that nobody has looked at yet */
#define PROTOCOL_SPARE_BYTES 96     /* of it: for requests beside the data (HELLO asked again, "where are you?") */
#define PROTOCOL_CHUNK_BYTES 1408   /* room for data in one DATA frame; HELLO says what is used of it */
#define PROTOCOL_CREDITS 1          /* DATA frames that may be under way; 1 keeps measurements free of interrupts */
#define PROTOCOL_IDLE_MS 250        /* silence after which an unfinished exchange is asked for again */
#define PROTOCOL_IDLE_ROUNDS 40     /* how often, before the clip is given up */

enum protocol_type {
    PROTOCOL_HELLO = 0x01,
    PROTOCOL_BEGIN = 0x02,
    PROTOCOL_DATA = 0x03,
    PROTOCOL_LAYERS = 0x04,
    PROTOCOL_STATISTICS = 0x05,
    PROTOCOL_IS_HELLO = 0x81,
    PROTOCOL_READY = 0x82,
    PROTOCOL_RESULT = 0x83,
    PROTOCOL_IS_LAYERS = 0x84,
    PROTOCOL_IS_STATISTICS = 0x85,
    PROTOCOL_ERROR = 0x86,
    PROTOCOL_FAULT = 0x87,
    PROTOCOL_HEARD = 0x88, /* of a firmware with a microphone, unasked: one hop */
};

/* Flags of BEGIN beside the kind of clip. */
enum protocol_begin {
    PROTOCOL_CONTINUES = 2, /* the next step of a network with states, which it finds as the last one left them */
};

/* Flags of READY: why it was sent. */
enum protocol_cause {
    PROTOCOL_ACCEPTED = 0,
    PROTOCOL_DUPLICATE = 1,
    PROTOCOL_AGAIN = 2, /* something was lost: send from this offset again */
};

/* Flags of RESULT. */
enum protocol_result {
    PROTOCOL_DECIDES = 1, /* behind the outputs: events (rule u16, first hop u32, score i32), and their number u8 */
};

/* Flags of IS_HELLO. */
enum protocol_capability {
    PROTOCOL_HAS_FRONTEND = 1,
    PROTOCOL_HAS_PROFILE = 2,
};

enum protocol_error {
    PROTOCOL_BAD_FRAME = 1,    /* CRC or framing wrong, and no clip is open */
    PROTOCOL_BAD_TYPE = 2,     /* no such request */
    PROTOCOL_BAD_LENGTH = 3,   /* a request too short, too long, or data beyond the clip */
    PROTOCOL_NO_CLIP = 4,      /* data for a clip that is not open; a step that continues none */
    PROTOCOL_BAD_CLIP = 5,     /* a clip of a kind or size that this firmware does not take */
    PROTOCOL_INCOMPLETE = 6,   /* the clip ended and the network had no result */
};

void protocol_init(void);

/* Sleeps until bytes come and takes what they complete; asks again for what stays away. */
void protocol_step(void);

#endif
