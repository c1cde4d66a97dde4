/* SPDX-License-Identifier: Apache-2.0 */
/* A "front end": a row per three frames of two samples, the rest at the end. */
#ifndef FRONTEND_H
#define FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRONTEND_SPEC_SHA256 "89abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567"
#define FRONTEND_SAMPLE_RATE_HZ 8000
#define FRONTEND_CHANNELS 2
#define FRONTEND_CLIP_SAMPLES 10

void frontend_reset(void);
size_t frontend_feed(const int16_t *pcm, size_t frames);
void frontend_finish(void);
bool frontend_next(int8_t *row);

#endif
