/* SPDX-License-Identifier: Apache-2.0 */
/* Three tasks: two run instances of one network and its front end, the third another network with another front end.
 *
 * Each hashes the outputs of its clips. The same clips were run one behind the other before the scheduler started: the
 * hashes are equal, although the kernel takes the core from a task at any instruction.
 */
#include <stddef.h>
#include <stdint.h>

#include "FreeRTOS.h"
#include "task.h"

#include "harness.h"
#include "one.h"
#include "one_frontend.h"
#include "two.h"
#include "two_frontend.h"

#define CLIPS 3u
#define TASKS 3u

void vPortSVCHandler(void);
void xPortPendSVHandler(void);
void xPortSysTickHandler(void);
void vApplicationStackOverflowHook(TaskHandle_t task, char *name);

struct run {
    uint32_t (*work)(struct run *run);
    uint32_t seed;
    uint32_t expected;
    uint32_t hash;
    volatile uint32_t rows; /* of all its clips, so far */
    uint32_t interrupted;   /* how often another task's rows grew within one of its clips */
    volatile uint32_t done;
    struct one *one;
    struct one_frontend *one_frontend;
};

static struct run runs[TASKS];

void fail(const char *file, int line)
{
    print_number(file, (uint32_t)line);
    end_program(1u);
}

void vApplicationStackOverflowHook(TaskHandle_t task, char *name)
{
    (void)task;
    fail(name, 0);
}

void vApplicationGetIdleTaskMemory(StaticTask_t **control, StackType_t **stack, configSTACK_DEPTH_TYPE *size)
{
    static StaticTask_t idle;
    static StackType_t idle_stack[configMINIMAL_STACK_SIZE];
    *control = &idle;
    *stack = idle_stack;
    *size = configMINIMAL_STACK_SIZE;
}

static uint32_t hashed(uint32_t hash, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    for (size_t i = 0; i < bytes; ++i) {
        hash = (hash ^ at[i]) * 16777619u;
    }
    return hash;
}

static int16_t noise(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (int16_t)((int32_t)*seed >> 18);
}

static uint32_t rows_of_others(const struct run *run)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < TASKS; ++i) {
        sum += &runs[i] == run ? 0u : runs[i].rows;
    }
    return sum;
}

/* Clips of noise through a front end and its network; `S`, `F`: the arguments that name the instances, if there are any. */
#define CLIPS_THROUGH(NAME, CAPITAL, M, F, COMMA)                                                      \
    uint32_t hash = 2166136261u;                                                                      \
    uint32_t seed = run->seed;                                                                        \
    for (uint32_t clip = 0; clip < CLIPS; ++clip) {                                                    \
        const uint32_t before = rows_of_others(run);                                                  \
        bool complete = false;                                                                        \
        NAME##_frontend_reset(F);                                                                     \
        NAME##_reset(M);                                                                              \
        for (uint32_t i = 0; i < CAPITAL##_FRONTEND_CLIP_SAMPLES; ++i) {                               \
            int16_t frame[CAPITAL##_FRONTEND_CHANNELS];                                               \
            for (uint32_t channel = 0; channel < CAPITAL##_FRONTEND_CHANNELS; ++channel) {             \
                frame[channel] = noise(&seed);                                                        \
            }                                                                                         \
            while (NAME##_frontend_feed(F COMMA frame, 1) == 0u) {                                     \
                while (NAME##_frontend_next(F COMMA NAME##_input(M))) {                                \
                    complete = NAME##_push(M);                                                        \
                    ++run->rows;                                                                      \
                }                                                                                     \
            }                                                                                         \
        }                                                                                             \
        NAME##_frontend_finish(F);                                                                    \
        while (NAME##_frontend_next(F COMMA NAME##_input(M))) {                                        \
            complete = NAME##_push(M);                                                                \
            ++run->rows;                                                                              \
        }                                                                                             \
        hash = hashed(hash, complete ? NAME##_output(M COMMA 0) : NULL, complete ? NAME##_output_bytes(0) : 1u); \
        run->interrupted += rows_of_others(run) != before;                                            \
    }                                                                                                 \
    return hash

#define COMMA ,
#define NONE

static uint32_t through_one(struct run *run)
{
    CLIPS_THROUGH(one, ONE, run->one, run->one_frontend, COMMA);
}

static uint32_t through_two(struct run *run)
{
    CLIPS_THROUGH(two, TWO, , , NONE);
}

static void task(void *argument)
{
    struct run *run = argument;
    run->hash = run->work(run);
    run->done = 1;
    bool all = true;
    for (unsigned i = 0; i < TASKS; ++i) {
        all = all && runs[i].done;
    }
    if (all) {
        bool passed = true;
        for (unsigned i = 0; i < TASKS; ++i) {
            print_number("interrupted ", runs[i].interrupted);
            passed = passed && runs[i].hash == runs[i].expected;
        }
        print_number("different ", runs[0].hash != runs[1].hash && runs[1].hash != runs[2].hash);
        print_number("passed ", passed);
        end_program(passed ? 0u : 1u);
    }
    vTaskSuspend(NULL);
}

extern uint32_t stack_top[];
void reset(void);
__attribute__((aligned(128))) static const void *const handlers[16] = {
    [0] = stack_top,
    [1] = (const void *)reset,
    [11] = (const void *)vPortSVCHandler,
    [14] = (const void *)xPortPendSVHandler,
    [15] = (const void *)xPortSysTickHandler,
};

int program(void)
{
    static struct one ones[2];
    static struct one_frontend frontends[2];
    static StaticTask_t controls[TASKS];
    static StackType_t stacks[TASKS][1024];
    *(volatile uint32_t *)0xE000ED08u = (uint32_t)(uintptr_t)handlers; /* VTOR */
    for (unsigned i = 0; i < TASKS; ++i) {
        runs[i] = (struct run){ .work = i < 2u ? through_one : through_two, .seed = i + 1u };
        if (i < 2u) {
            runs[i].one = &ones[0];
            runs[i].one_frontend = &frontends[0];
        }
        runs[i].expected = runs[i].work(&runs[i]);
    }
    print_number("alone ", runs[0].interrupted + runs[1].interrupted + runs[2].interrupted);
#ifndef ONE_INSTANCE_FOR_BOTH
    runs[1].one = &ones[1];
    runs[1].one_frontend = &frontends[1];
#endif
    for (unsigned i = 0; i < TASKS; ++i) {
        (void)xTaskCreateStatic(task, "clips", 1024, &runs[i], 1, stacks[i], &controls[i]);
    }
    vTaskStartScheduler();
    return 1;
}
