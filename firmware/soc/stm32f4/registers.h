/* The registers that this firmware touches, by reference manual.
 * STM32F446: RM0390. Core: PM0214 (programming manual), ARMv7-M ARM for DWT. Other F4 parts agree where not noted. */
#ifndef ASCMCU_STM32F4_REGISTERS_H
#define ASCMCU_STM32F4_REGISTERS_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define BIT(n) (1u << (n))

/* Core: PM0214 4.4 (SCB), 4.5 (SysTick), 4.3 (NVIC), 4.6 (FPU) */
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
#define SCB_CPACR REGISTER(0xE000ED88u)
#define SCB_CPACR_FPU (0xFu << 20) /* CP10 and CP11, full access */
#define SYSTICK_CTRL REGISTER(0xE000E010u)
#define SYSTICK_CTRL_RUN (BIT(0) | BIT(1) | BIT(2)) /* enable, interrupt, core clock */
#define SYSTICK_LOAD REGISTER(0xE000E014u)
#define SYSTICK_VAL REGISTER(0xE000E018u)
#define NVIC_ISER(n) REGISTER(0xE000E100u + 4u * (n))

/* Debug: ARMv7-M ARM C1.6.5 (DEMCR), C1.8 (DWT) */
#define DEMCR REGISTER(0xE000EDFCu)
#define DEMCR_TRCENA BIT(24)
#define DWT_CTRL REGISTER(0xE0001000u)
#define DWT_CTRL_CYCCNTENA BIT(0)
#define DWT_CYCCNT REGISTER(0xE0001004u)

/* Reset and clock control: RM0390 6.3 */
#define RCC_CR REGISTER(0x40023800u)
#define RCC_CR_HSEON BIT(16)
#define RCC_CR_HSERDY BIT(17)
#define RCC_CR_HSEBYP BIT(18)
#define RCC_CR_PLLON BIT(24)
#define RCC_CR_PLLRDY BIT(25)
#define RCC_PLLCFGR REGISTER(0x40023804u)
#define RCC_PLLCFGR_SRC_HSE BIT(22)
#define RCC_PLLCFGR_KEEP 0xF0000000u /* PLLR on the F446, reserved elsewhere */
#define RCC_CFGR REGISTER(0x40023808u)
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS (3u << 2)
#define RCC_CFGR_SWS_PLL (2u << 2)
#define RCC_AHB1ENR REGISTER(0x40023830u)
#define RCC_APB1ENR REGISTER(0x40023840u)
#define RCC_APB1ENR_TIM2 BIT(0)
#define RCC_APB1ENR_PWR BIT(28)
#define RCC_APB2ENR REGISTER(0x40023844u)

/* Power: RM0390 5.4 */
#define PWR_CR REGISTER(0x40007000u)
#define PWR_CR_VOS (3u << 14)
#define PWR_CR_ODEN BIT(16)
#define PWR_CR_ODSWEN BIT(17)
#define PWR_CSR REGISTER(0x40007004u)
#define PWR_CSR_ODRDY BIT(16)
#define PWR_CSR_ODSWRDY BIT(17)

/* Flash interface: RM0390 3.8 */
#define FLASH_ACR REGISTER(0x40023C00u)
#define FLASH_ACR_LATENCY 0xFu
#define FLASH_ACR_PRFTEN BIT(8)
#define FLASH_ACR_ICEN BIT(9)
#define FLASH_ACR_DCEN BIT(10)

/* Ports: RM0390 7.4 */
#define GPIO_MODER(base) REGISTER((base) + 0x00u)
#define GPIO_PUPDR(base) REGISTER((base) + 0x0Cu)
#define GPIO_AFR(base, high) REGISTER((base) + 0x20u + 4u * (high))
#define GPIO_BASE(port) (0x40020000u + 0x400u * (port))

/* USART: RM0390 25.6 */
#define USART_SR(base) REGISTER((base) + 0x00u)
#define USART_SR_FE BIT(1)
#define USART_SR_NF BIT(2)
#define USART_SR_ORE BIT(3)
#define USART_SR_RXNE BIT(5)
#define USART_SR_TXE BIT(7)
#define USART_DR(base) REGISTER((base) + 0x04u)
#define USART_BRR(base) REGISTER((base) + 0x08u)
#define USART_CR1(base) REGISTER((base) + 0x0Cu)
#define USART_CR1_RE BIT(2)
#define USART_CR1_TE BIT(3)
#define USART_CR1_RXNEIE BIT(5)
#define USART_CR1_UE BIT(13)

/* TIM2, 32 bits wide: RM0390 17.4 */
#define TIM2_CR1 REGISTER(0x40000000u)
#define TIM2_CR1_CEN BIT(0)
#define TIM2_EGR REGISTER(0x40000014u)
#define TIM2_EGR_UG BIT(0)
#define TIM2_CNT REGISTER(0x40000024u)
#define TIM2_PSC REGISTER(0x40000028u)
#define TIM2_ARR REGISTER(0x4000002Cu)

#endif
