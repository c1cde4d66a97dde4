/* SPDX-License-Identifier: Apache-2.0 */
/* The core's own registers, the same in every Cortex-M4: PM0214 (programming manual), ARMv7-M ARM for debug. */
#ifndef ASCMCU_CORE_H
#define ASCMCU_CORE_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define REGISTER16(address) (*(volatile uint16_t *)(address))
#define REGISTER8(address) (*(volatile uint8_t *)(address))
#define BIT(n) (1u << (n))

/* PM0214 4.4 (SCB), 4.5 (SysTick), 4.3 (NVIC), 4.6 (FPU) */
#define SCB_VTOR REGISTER(0xE000ED08u)
#define SCB_AIRCR REGISTER(0xE000ED0Cu)
#define SCB_AIRCR_RESET (0x05FA0000u | BIT(2))
#define SCB_CCR REGISTER(0xE000ED14u)
#define SCB_CCR_DIV_0_TRP BIT(4)
#define SCB_SHCSR REGISTER(0xE000ED24u)
#define SCB_SHCSR_FAULTS (BIT(16) | BIT(17) | BIT(18)) /* MemManage, BusFault, UsageFault */
#define SCB_CFSR REGISTER(0xE000ED28u)
#define SCB_HFSR REGISTER(0xE000ED2Cu)
#define SCB_MMFAR REGISTER(0xE000ED34u)
#define SCB_BFAR REGISTER(0xE000ED38u)
#define SYSTICK_CTRL REGISTER(0xE000E010u)
#define SYSTICK_CTRL_RUN (BIT(0) | BIT(1) | BIT(2)) /* enable, interrupt, core clock */
#define SYSTICK_LOAD REGISTER(0xE000E014u)
#define SYSTICK_VAL REGISTER(0xE000E018u)
#define NVIC_ISER(n) REGISTER(0xE000E100u + 4u * (n))

/* ARMv7-M ARM C1.6.5 (DEMCR), C1.8 (DWT) */
#define DEMCR REGISTER(0xE000EDFCu)
#define DEMCR_TRCENA BIT(24)
#define DWT_CTRL REGISTER(0xE0001000u)
#define DWT_CTRL_CYCCNTENA BIT(0)
#define DWT_CYCCNT REGISTER(0xE0001004u)

static inline void core_enable_interrupt(uint32_t number) { NVIC_ISER(number / 32u) = BIT(number % 32u); }

#endif
