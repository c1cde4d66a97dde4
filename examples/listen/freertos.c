/* SPDX-License-Identifier: Apache-2.0 */
/* A task of FreeRTOS: the microphone's interrupt fills the buffer and wakes the task.
 *
 * Compile it with a library from `ascmcu export --format library --listen --decisions …`. start_microphone() and
 * report_event() are yours. */
#include <stddef.h>
#include <stdint.h>

#include "FreeRTOS.h"
#include "task.h"

#include "listen.h"

void start_microphone(void);
void report_event(unsigned class_index, uint32_t start_hop, int32_t score);
void block_complete(const int16_t *samples, size_t count);
void listen_task(void *unused);

static TaskHandle_t listener;

/* The interrupt of the DMA; its priority allows calls of FreeRTOS. */
void block_complete(const int16_t *samples, size_t count)
{
    BaseType_t woken = pdFALSE;

    (void)listen_feed(samples, count); /* what is lost is counted: listen_lost() */
    vTaskNotifyGiveFromISR(listener, &woken);
    portYIELD_FROM_ISR(woken);
}

void listen_on_event(const struct decisions_event *event)
{
    report_event(event->class_index, event->start_hop, event->score);
}

/* Create it with the stack that model.h and frontend.h state, and a priority below the tasks that cannot wait. */
void listen_task(void *unused)
{
    (void)unused;
    listener = xTaskGetCurrentTaskHandle();
    listen_reset();
    start_microphone();
    for (;;) {
        while (listen_work() != LISTEN_NOTHING) {
        }
        (void)ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
    }
}
