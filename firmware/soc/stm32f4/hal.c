/* hal.h on the STM32F4: USART with an interrupt-driven ring, SysTick for time-outs, DWT or TIM2 for counting. */
#include "hal.h"

#include "board_config.h"
#include "registers.h"
#include "soc.h"

#define RING_BYTES 512u /* a power of two; holds what arrives while a reply is being sent */
#define TICK_MS 10u
#define SEND_POLLS 200000u /* per byte; a byte takes 87 µs at 115200 baud */

#if BOARD_USART == 1
#define USART 0x40011000u
#define USART_INTERRUPT 37u
#elif BOARD_USART == 2
#define USART 0x40004400u
#define USART_INTERRUPT 38u
#elif BOARD_USART == 3
#define USART 0x40004800u
#define USART_INTERRUPT 39u
#elif BOARD_USART == 6
#define USART 0x40011400u
#define USART_INTERRUPT 71u
#else
#error "BOARD_USART must be 1, 2, 3 or 6"
#endif

static volatile uint8_t protocol_ring[RING_BYTES];
static volatile uint32_t ring_head; /* written by the interrupt */
static volatile uint32_t ring_tail; /* written by hal_read() */
static volatile uint32_t ticks;
static volatile uint32_t overruns;
static volatile uint32_t line_errors;
static uint32_t send_timeouts;
static bool ticking;
static struct soc_clock started;
static enum hal_counter counter;

const volatile uint32_t *hal_counter_register;

static void start_pin(uint32_t port, uint32_t pin)
{
    const uint32_t base = GPIO_BASE(port);

    RCC_AHB1ENR |= BIT(port);
    (void)RCC_AHB1ENR;
    GPIO_PUPDR(base) = (GPIO_PUPDR(base) & ~(3u << (2u * pin))) | (1u << (2u * pin)); /* up: an open line idles high */
    GPIO_AFR(base, pin / 8u) =
        (GPIO_AFR(base, pin / 8u) & ~(0xFu << (4u * (pin % 8u)))) | ((uint32_t)BOARD_ALTERNATE << (4u * (pin % 8u)));
    GPIO_MODER(base) = (GPIO_MODER(base) & ~(3u << (2u * pin))) | (2u << (2u * pin));
}

static void start_usart(void)
{
#if BOARD_USART == 1 || BOARD_USART == 6
    const uint32_t clock_hz = started.apb2_hz;
    RCC_APB2ENR |= BOARD_USART == 1 ? BIT(4) : BIT(5); /* RM0390 6.3.14 */
    (void)RCC_APB2ENR;
#else
    const uint32_t clock_hz = started.apb1_hz;
    RCC_APB1ENR |= BOARD_USART == 2 ? BIT(17) : BIT(18); /* RM0390 6.3.13 */
    (void)RCC_APB1ENR;
#endif
    const uint32_t baud = started.how == HAL_CLOCK_HSI_ALONE ? BOARD_BAUD_FALLBACK : BOARD_BAUD;

    start_pin(BOARD_TX_PORT, BOARD_TX_PIN);
    start_pin(BOARD_RX_PORT, BOARD_RX_PIN);
    USART_BRR(USART) = (clock_hz + baud / 2u) / baud; /* 16 times oversampling: RM0390 25.4.4 */
    USART_CR1(USART) = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE;
    NVIC_ISER(USART_INTERRUPT / 32u) = BIT(USART_INTERRUPT % 32u);
}

static bool moves(const volatile uint32_t *at)
{
    const uint32_t first = *at;

    for (int i = 0; i < 64; i++) {
        __asm volatile("nop");
    }
    return *at != first;
}

static void start_counter(void)
{
    DEMCR |= DEMCR_TRCENA;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    hal_counter_register = &DWT_CYCCNT;
    if (moves(hal_counter_register)) {
        counter = HAL_COUNTER_DWT;
        return;
    }
    RCC_APB1ENR |= RCC_APB1ENR_TIM2;
    (void)RCC_APB1ENR;
    TIM2_PSC = 0;
    TIM2_ARR = UINT32_MAX;
    TIM2_EGR = TIM2_EGR_UG;
    TIM2_CR1 = TIM2_CR1_CEN;
    hal_counter_register = &TIM2_CNT;
    counter = moves(hal_counter_register) ? HAL_COUNTER_TIMER : HAL_COUNTER_NONE;
}

void hal_init(void)
{
    started = soc_start_clock();
    start_counter();
    start_usart();
}

void soc_usart_handler(void)
{
    /* Reading SR, then DR, also clears the error flags: RM0390 25.6.1 */
    const uint32_t flags = USART_SR(USART);

    if ((flags & (USART_SR_RXNE | USART_SR_ORE)) == 0u) {
        return;
    }
    const uint8_t byte = (uint8_t)USART_DR(USART);
    const uint32_t head = ring_head;

    overruns += (flags & USART_SR_ORE) != 0u;
    line_errors += (flags & (USART_SR_FE | USART_SR_NF)) != 0u;
    if ((flags & USART_SR_RXNE) == 0u) {
        return;
    }
    if (head - ring_tail == RING_BYTES) {
        overruns++;
        return;
    }
    protocol_ring[head % RING_BYTES] = byte;
    ring_head = head + 1u;
}

size_t hal_read(uint8_t *to, size_t max)
{
    const uint32_t tail = ring_tail;
    const uint32_t there = ring_head - tail;
    const size_t count = there < max ? there : max;

    for (size_t i = 0; i < count; i++) {
        to[i] = protocol_ring[(tail + i) % RING_BYTES];
    }
    ring_tail = tail + (uint32_t)count;
    return count;
}

bool hal_write(const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint32_t polls = 0;

        while ((USART_SR(USART) & USART_SR_TXE) == 0u) {
            if (++polls == SEND_POLLS) {
                send_timeouts++;
                return false;
            }
        }
        USART_DR(USART) = from[i];
    }
    return true;
}

void soc_tick_handler(void) { ticks++; }

static void start_ticks(void)
{
    if (!ticking) {
        SYSTICK_LOAD = started.core_hz / 1000u * TICK_MS - 1u; /* 24 bits: up to 1.6 GHz */
        SYSTICK_VAL = 0;
        SYSTICK_CTRL = SYSTICK_CTRL_RUN;
        ticking = true;
    }
    ticks = 0;
}

void hal_quiet(void)
{
    SYSTICK_CTRL = 0;
    ticking = false;
}

bool hal_wait(uint32_t limit_ms)
{
    bool there;

    start_ticks();
    for (;;) {
        /* With interrupts masked WFI still wakes for a pending one, so a byte between test and sleep is not missed
         * (PM0214 3.11.12). The barrier makes the unmasked interrupt run before the next test. */
        __asm volatile("cpsid i" ::: "memory");
        there = ring_head != ring_tail;
        if (there || ticks * TICK_MS >= limit_ms) {
            break;
        }
        __asm volatile("dsb \n wfi \n cpsie i \n isb" ::: "memory");
    }
    __asm volatile("cpsie i" ::: "memory");
    return there;
}

void hal_status(struct hal_status *status)
{
    *status = (struct hal_status){
        .clock_hz = started.core_hz,
        .stack_bytes = soc_stack_bytes(),
        .received_bytes = ring_head,
        .overruns = overruns,
        .line_errors = line_errors,
        .send_timeouts = send_timeouts,
        .wait_states = started.wait_states,
        .counter = (uint8_t)counter,
        .clock = (uint8_t)started.how,
    };
}

uint32_t hal_stack_peak(void) { return soc_stack_peak(); }
