/* SPDX-License-Identifier: Apache-2.0 */
/* A generated front end as a program: PCM on standard input, rows on standard output. */
#include "frontend.h"

#include <stdio.h>
#include <stdlib.h>

static void write_rows(void)
{
    /* Of exactly this size on the heap, so that the sanitizer sees a byte too many. */
    unsigned char *row = malloc(FRONTEND_ROW_BYTES);
    while (frontend_next(row)) {
        fwrite(row, 1, FRONTEND_ROW_BYTES, stdout);
    }
    free(row);
}

int main(void)
{
    int16_t chunk[FRONTEND_CHANNELS * 61];
    size_t count;
    frontend_reset();
    while ((count = fread(chunk, FRONTEND_CHANNELS * sizeof chunk[0], 61, stdin)) > 0) {
        for (size_t at = 0; at < count;) {
            at += frontend_feed(chunk + at * FRONTEND_CHANNELS, count - at);
            write_rows();
        }
    }
#ifndef FRONTEND_STEP_SAMPLES
    frontend_finish();
    write_rows();
#endif
    return 0;
}
