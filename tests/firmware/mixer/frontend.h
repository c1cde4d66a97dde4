/* SPDX-License-Identifier: Apache-2.0 */
/* A "front end" for tests of the link: a row per 100 sample frames, whose bytes mix the samples. */
#ifndef FRONTEND_H
#define FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRONTEND_SPEC_SHA256 "89abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567"
#define FRONTEND_SAMPLE_RATE_HZ 8000
#define FRONTEND_CHANNELS 2
#define FRONTEND_CLIP_SAMPLES 6050 /* 60.5 rows: the end has to be flushed */
#define FRONTEND_RAM_BYTES 24
#define FRONTEND_TABLES_BYTES 0

void frontend_reset(void);
size_t frontend_feed(const int16_t *pcm, size_t frames);
void frontend_finish(void);
bool frontend_next(int8_t *row);

#endif
