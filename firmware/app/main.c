/* SPDX-License-Identifier: Apache-2.0 */
/* The benchmark firmware: sleeps until bytes come, gives them to the protocol, which runs the clip. */
#include "protocol.h"

int main(void)
{
    protocol_init();
    for (;;) {
        protocol_step();
    }
}
