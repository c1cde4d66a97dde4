/* The benchmark firmware: waits asleep for bytes, gives them to the protocol, which runs the clip. */
#include "hal.h"
#include "protocol.h"

int main(void)
{
    hal_init();
    protocol_init();
    for (;;) {
        uint8_t bytes[64];
        size_t count;

        if (!hal_wait(PROTOCOL_IDLE_MS)) {
            protocol_idle();
        }
        while ((count = hal_read(bytes, sizeof bytes)) > 0) {
            protocol_take(bytes, count);
        }
    }
}
