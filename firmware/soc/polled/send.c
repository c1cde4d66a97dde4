/* SPDX-License-Identifier: Apache-2.0 */
/* Sending where the core hands over each byte. */
#include "soc.h"

#include "chip.h"

bool soc_send_bytes(const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint32_t polls = 0;

        while (!soc_put_byte(from[i])) {
            if (++polls == SOC_SEND_POLLS) {
                return false;
            }
        }
    }
    return true;
}

#ifndef CHIP_SENDS_BY_DMA
bool soc_send(const uint8_t *from, size_t size) { return soc_send_bytes(from, size); }
#endif
