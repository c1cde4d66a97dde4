# SPDX-License-Identifier: Apache-2.0
"""The registers of the SAM D5x and the STM32WB: firmware and simulator against numbers of the vendors' headers.

A simulated chip cannot find a wrong address that its own model shares. These numbers were therefore read from the
headers (of SAMD51 in ArduinoModule-CMSIS-Atmel, of STM32WB55 in cmsis_device_wb), neither from firmware nor from the
simulator.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ascmcu import boards, paths
from ascmcu.codegen import board as board_files
from ascmcu.sim.core import Nvic
from ascmcu.sim.devices import Device
from ascmcu.sim.samd5 import samd5_devices
from ascmcu.sim.stm32 import wb_devices
from ascmcu.sim.words import TOTAL

# Name in chip.h: address.
ADDRESSES = {
    "feather-m4": {
        "NVMCTRL_CTRLA": 0x41004000, "CMCC_CTRL": 0x41006008, "MCLK_CPUDIV": 0x40000805, "MCLK_APBAMASK": 0x40000814,
        "MCLK_APBBMASK": 0x40000818, "MCLK_APBDMASK": 0x40000820, "RSTC_RCAUSE": 0x40000C00, "WDT_CTRLA": 0x40002000,
        "WDT_CONFIG": 0x40002001, "WDT_SYNCBUSY": 0x40002008, "WDT_CLEAR": 0x4000200C, "OSC32KCTRL_STATUS": 0x4000140C,
        "OSC32KCTRL_XOSC32K": 0x40001414, "OSCCTRL_DPLLCTRLA": 0x40001030, "OSCCTRL_DPLLRATIO": 0x40001034,
        "OSCCTRL_DPLLCTRLB": 0x40001038, "OSCCTRL_DPLLSYNCBUSY": 0x4000103C, "OSCCTRL_DPLLSTATUS": 0x40001040,
        "GCLK_CTRLA": 0x40001C00, "GCLK_SYNCBUSY": 0x40001C04, "GCLK_GENCTRL(0u)": 0x40001C20,
        "GCLK_GENCTRL(2u)": 0x40001C28, "GCLK_PCHCTRL(1u)": 0x40001C84, "GCLK_PCHCTRL(7u)": 0x40001C9C,
        "PORT_OUTSET(1u)": 0x41008098, "PORT_PMUX(1u, 17u)": 0x410080B8, "PORT_PINCFG(1u, 17u)": 0x410080D1,
        "USART_CTRLA": 0x43000400, "USART_CTRLB": 0x43000404, "USART_BAUD": 0x4300040C, "USART_INTENSET": 0x43000416,
        "USART_INTFLAG": 0x43000418, "USART_STATUS": 0x4300041A, "USART_SYNCBUSY": 0x4300041C,
        "USART_DATA": 0x43000428, "CHIP_SERIAL_ENABLE": 0x40000820,
    },
    "nucleo-wb55": {
        "RCC_CR": 0x58000000, "RCC_CFGR": 0x58000008, "RCC_PLLCFGR": 0x5800000C, "RCC_AHB2ENR": 0x5800004C,
        "RCC_APB1ENR1": 0x58000058, "RCC_APB1ENR2": 0x5800005C, "RCC_APB2ENR": 0x58000060, "CHIP_RESETS": 0x58000094,
        "RCC_EXTCFGR": 0x58000108, "PWR_CR1": 0x58000400, "PWR_SR2": 0x58000414, "FLASH_ACR": 0x58004000,
        "GPIO_MODER(CHIP_GPIO(1u))": 0x48000400, "GPIO_PUPDR(CHIP_GPIO(1u))": 0x4800040C,
        "GPIO_AFR(CHIP_GPIO(1u), 0u)": 0x48000420, "USART2_CR1(CHIP_SERIAL)": 0x40013800,
        "USART2_BRR(CHIP_SERIAL)": 0x4001380C, "USART2_ISR(CHIP_SERIAL)": 0x4001381C,
        "USART2_ICR(CHIP_SERIAL)": 0x40013820, "USART2_RDR(CHIP_SERIAL)": 0x40013824,
        "USART2_TDR(CHIP_SERIAL)": 0x40013828, "CHIP_SERIAL_ENABLE": 0x58000060, "IWDG_KR": 0x40003000,
        "IWDG_PR": 0x40003004, "IWDG_RLR": 0x40003008, "IWDG_SR": 0x4000300C, "CHIP_TIM2_ENABLE": 0x58000058,
        "TIM2_CNT": 0x40000024,
    },
}  # fmt: skip
# Name in chip.h: value.
VALUES = {
    "feather-m4": {
        "CHIP_VECTORS": 137, "CHIP_SERIAL_INTERRUPT": 68, "CHIP_SERIAL_ENABLE_BIT": 1, "CHIP_SERIAL_CHANNEL": 35,
        "GCLK_CHANNEL_DPLL0": 1, "NVMCTRL_CTRLA_AUTOWS": 1 << 2, "NVMCTRL_CTRLA_RWS(15u)": 0xF00,
        "RSTC_RCAUSE_POWER": 0b111, "RSTC_RCAUSE_EXT": 1 << 4, "RSTC_RCAUSE_WDT": 1 << 5, "RSTC_RCAUSE_SYST": 1 << 6,
        "WDT_CTRLA_ENABLE": 1 << 1, "WDT_CONFIG_16384": 0xB, "WDT_SYNCBUSY_CLEAR": 1 << 4, "WDT_CLEAR_KEY": 0xA5,
        "OSC32KCTRL_STATUS_XOSC32KRDY": 1, "OSC32KCTRL_XOSC32K_ON": 1 << 1 | 1 << 2 | 1 << 3 | 1 << 13,
        "OSCCTRL_DPLLCTRLA_ENABLE": 1 << 1, "OSCCTRL_DPLLCTRLB_REF_GCLK": 0, "OSCCTRL_DPLLCTRLB_REF_XOSC32K": 1 << 5,
        "OSCCTRL_DPLLCTRLB_LBYPASS": 1 << 11, "OSCCTRL_DPLLSYNCBUSY_ENABLE": 1 << 1,
        "OSCCTRL_DPLLSYNCBUSY_DPLLRATIO": 1 << 2, "OSCCTRL_DPLLSTATUS_READY": 0b11, "GCLK_CTRLA_SWRST": 1,
        "GCLK_SYNCBUSY_SWRST": 1, "GCLK_SYNCBUSY_GENCTRL(3u)": 1 << 5, "GCLK_GENCTRL_DFLL": 6, "GCLK_GENCTRL_DPLL0": 7,
        "GCLK_GENCTRL_GENEN": 1 << 8, "GCLK_GENCTRL_DIV(3u)": 3 << 16, "GCLK_PCHCTRL_CHEN": 1 << 6,
        "PORT_PINCFG_PMUXEN": 1, "PORT_PINCFG_INEN": 1 << 1, "PORT_PINCFG_PULLEN": 1 << 2, "USART_CTRLA_SWRST": 1,
        "USART_CTRLA_ENABLE": 1 << 1, "USART_CTRLA_INTERNAL": 1 << 2, "USART_CTRLA_RX_PAD1": 1 << 20,
        "USART_CTRLA_LSB_FIRST": 1 << 30, "USART_CTRLB_TXEN": 1 << 16, "USART_CTRLB_RXEN": 1 << 17, "USART_INT_DRE": 1,
        "USART_INT_RXC": 1 << 2, "USART_STATUS_FERR": 1 << 1, "USART_STATUS_BUFOVF": 1 << 2, "USART_SYNCBUSY_SWRST": 1,
        "USART_SYNCBUSY_ENABLE": 1 << 1, "USART_SYNCBUSY_CTRLB": 1 << 2, "BOARD_ALTERNATE": 2,
    },
    "nucleo-wb55": {
        "CHIP_VECTORS": 63, "CHIP_SERIAL_INTERRUPT": 36, "CHIP_LPUART_INTERRUPT": 37, "CHIP_SERIAL_ENABLE_BIT": 14,
        "RCC_CR_HSION": 1 << 8, "RCC_CR_HSIRDY": 1 << 10, "RCC_CR_HSEON": 1 << 16, "RCC_CR_HSERDY": 1 << 17,
        "RCC_CR_PLLON": 1 << 24, "RCC_CR_PLLRDY": 1 << 25, "RCC_CFGR_SW_HSI": 1, "RCC_CFGR_SW_PLL": 3,
        "RCC_CFGR_SWS": 3 << 2, "RCC_PLLCFGR_SRC_HSI": 2, "RCC_PLLCFGR_SRC_HSE": 3, "CHIP_PLL_R(2u)": 1 << 29,
        "CHIP_PLL_REN": 1 << 28, "PWR_CR1_VOS": 3 << 9, "BOARD_VOS": 1, "PWR_SR2_VOSF": 1 << 10,
        "FLASH_ACR_PRFTEN": 1 << 8, "FLASH_ACR_ICEN": 1 << 9, "FLASH_ACR_DCEN": 1 << 10, "CHIP_RESETS_CLEAR": 1 << 23,
        "RCC_CSR_PIN": 1 << 26, "RCC_CSR_POWER": 1 << 27, "RCC_CSR_SOFTWARE": 1 << 28, "RCC_CSR_WATCHDOGS": 3 << 29,
        "RCC_EXTCFGR_C2HPRE_HALF": 8 << 4, "RCC_EXTCFGR_C2HPREF": 1 << 17, "USART2_CR1_UE": 1, "USART_CR1_RE": 1 << 2,
        "USART_CR1_TE": 1 << 3, "USART_CR1_RXNEIE": 1 << 5, "USART_FE": 1 << 1, "USART_NF": 1 << 2, "USART_ORE": 1 << 3,
        "USART_RXNE": 1 << 5, "USART_TXE": 1 << 7, "BOARD_ALTERNATE": 7,
    },
}  # fmt: skip
# Address: word after a reset.
RESETS = {
    "feather-m4": {
        0x40000800: 0x01000000, 0x40000804: 0x0101, 0x40000810: 0x00FFFFFF, 0x40000814: 0x7FF, 0x40000818: 0x18056,
        0x4000081C: 0x2000, 0x40000820: 0, 0x40001010: 1 << 8, 0x4000101C: 0x82, 0x40001030: 0x80, 0x40001034: 0,
        0x40001038: 0x20, 0x40001040: 0, 0x4000140C: 0, 0x40001410: 0, 0x40001414: 0x2080, 0x40001C20: 0x106,
        0x40001C24: 0, 0x40002000: 0x000BBB00, 0x41004000: 0x0004, 0x41006000: 0x12D2, 0x41006004: 0x20, 0x4100600C: 0,
    },
    "nucleo-wb55": {0x58000008: 0x00070000, 0x5800000C: 0x22041000, 0x58000010: 0x22041000},
}  # fmt: skip
# Address written, value, address read, bit there that it sets.
FOLLOWS = {
    "feather-m4": [
        (0x40001414, 1 << 1, 0x4000140C, 0), (0x40001030, 1 << 1, 0x40001040, 0), (0x40001030, 1 << 1, 0x40001040, 1),
        (0x40001044, 1 << 1, 0x40001054, 0), (0x41006008, 1, 0x4100600C, 0),
    ],
    "nucleo-wb55": [
        (0x58000000, 1 << 8, 0x58000000, 10), (0x58000000, 1 << 16, 0x58000000, 17),
        (0x58000000, 1 << 24, 0x58000000, 25), (0x58000008, 3, 0x58000008, 3), (0x58000108, 8 << 4, 0x58000108, 17),
        (0x58000094, 1, 0x58000094, 1), (0x58000098, 1, 0x58000098, 1),
    ],
}  # fmt: skip
MODELS = {"feather-m4": samd5_devices, "nucleo-wb55": wb_devices}


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no cross compiler")
@pytest.mark.parametrize("name", MODELS)
def test_the_firmware_has_the_headers_numbers(name: str, tmp_path: Path) -> None:
    board = boards.load(name)
    for file, text in board_files.files(board).items():
        (tmp_path / file).write_text(text)
    lines = ['#include "chip.h"', "#include <stdint.h>"]
    for macro, address in ADDRESSES[name].items():
        lines.append(f'_Static_assert((uintptr_t)&{macro} == {address:#x}u, "{macro}");')
    for macro, value in VALUES[name].items():
        lines.append(f'_Static_assert(({macro}) == {value:#x}u, "{macro}");')
    (tmp_path / "numbers.c").write_text("\n".join([*lines, ""]))
    firmware = paths.firmware()
    folders = [tmp_path, firmware, *(firmware / "soc" / part for part in board.family.parts)]
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-std=gnu11", "-fsyntax-only", "numbers.c"]
    ran = subprocess.run(
        [*command, *(f"-I{folder}" for folder in folders)], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def _devices(name: str) -> list[Device]:
    return MODELS[name](Nvic(), np.zeros(TOTAL, np.int64))[0]


def _at(found: list[Device], address: int) -> tuple[Device, int]:
    (device,) = [d for d in found if d.base <= address < d.base + d.size_bytes]
    return device, address - device.base


@pytest.mark.parametrize("name", MODELS)
def test_the_simulated_chip_has_the_headers_numbers(name: str) -> None:
    found = _devices(name)
    for address in ADDRESSES[name].values():
        if name != "nucleo-wb55" or address >= 0x40000400:  # TIM2 is not modelled
            _at(found, address)
    for address, word in RESETS[name].items():
        device, offset = _at(found, address)
        assert device.read(offset, 0) == word, hex(address)


@pytest.mark.parametrize("name", MODELS)
def test_ready_bits_are_where_the_headers_have_them(name: str) -> None:
    for written, value, read, bit in FOLLOWS[name]:
        found = _devices(name)
        device, offset = _at(found, written)
        device.write(offset, value, 0)
        device, offset = _at(found, read)
        assert device.read(offset, 0) >> bit & 1, (hex(written), hex(read), bit)
        assert name != "feather-m4" or _at(found, 0x40001410)[0].read(0x10, 0) == 0
