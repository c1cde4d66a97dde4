# SPDX-License-Identifier: Apache-2.0
"""From Thumb-2 bytes to the facts that a Cortex-M4's timing depends on.

Capstone decodes; this module reduces each instruction to an ``Instruction``: what unit it keeps busy, which
registers it needs when, how its address is formed. Nothing here counts cycles;
``ascmcu.m4.timing`` does.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import capstone
from capstone import arm as cs

from ascmcu.m4.instruction import ALWAYS, MEMORY, PC, SP, Address, Instruction, Kind

_LOAD_BYTES = {
    "ldr": 4,
    "ldrb": 1,
    "ldrsb": 1,
    "ldrh": 2,
    "ldrsh": 2,
    "ldrt": 4,
    "ldrbt": 1,
    "ldrht": 2,
    "ldrsbt": 1,
    "ldrsht": 2,
    "ldrex": 4,
    "ldrexb": 1,
    "ldrexh": 2,
}
_STORE_BYTES = {
    "str": 4,
    "strb": 1,
    "strh": 2,
    "strt": 4,
    "strbt": 1,
    "strht": 2,
    "strex": 4,
    "strexb": 1,
    "strexh": 2,
}
_LOAD_MULTIPLE = {"ldm", "ldmdb", "pop", "ldrd"}
_STORE_MULTIPLE = {"stm", "stmdb", "push", "strd"}
_FP_ACCUMULATE = {"vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"}
_BRANCHES = {"b", "bl", "cbz", "cbnz"}
_SYSTEM = {
    "msr",
    "mrs",
    "cps",
    "cpsid",
    "cpsie",
    "dsb",
    "dmb",
    "isb",
    "svc",
    "bkpt",
    "udf",
    "wfi",
    "wfe",
    "sev",
    "clrex",
}
_CONDITIONS = (
    "eq",
    "ne",
    "hs",
    "lo",
    "mi",
    "pl",
    "vs",
    "vc",
    "hi",
    "ls",
    "ge",
    "lt",
    "gt",
    "le",
)
_DIVIDE = {"sdiv", "udiv"}
# Words of the multiplier: MUL, MLA, MLS, SMUL…, SMLA…, UMAAL, USAD8 and the dual 16-bit forms.
_MULTIPLY_PREFIXES = ("mul", "mla", "mls", "smul", "smla", "smls", "smm", "smu", "umull", "umlal", "umaal")


@cache
def _disassembler() -> Any:
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    engine.detail = True
    return engine


@cache
def _core_register(register: int) -> int:
    """Rn's number for Capstone's, or -1."""
    names = {cs.ARM_REG_SP: 13, cs.ARM_REG_LR: 14, cs.ARM_REG_PC: 15}
    if register in names:
        return names[register]
    return register - cs.ARM_REG_R0 if cs.ARM_REG_R0 <= register <= cs.ARM_REG_R12 else -1


@cache
def _fp_mask(register: int) -> int:
    """The S registers that a Capstone register covers."""
    if cs.ARM_REG_S0 <= register <= cs.ARM_REG_S31:
        return 1 << int(register - cs.ARM_REG_S0)
    if cs.ARM_REG_D0 <= register <= cs.ARM_REG_D15:
        return 3 << 2 * int(register - cs.ARM_REG_D0)
    return 0


def _core_mask(registers: list[int]) -> int:
    mask = 0
    for register in registers:
        number = _core_register(register)
        if number >= 0:
            mask |= 1 << number
    return mask


def _fp_set(registers: list[int]) -> int:
    mask = 0
    for register in registers:
        mask |= _fp_mask(register)
    return mask


def _condition(insn: Any) -> int:
    """The condition field, 14 for always; Capstone counts from 1 and calls always 15."""
    return int(insn.cc) - 1 if 1 <= insn.cc <= 14 else ALWAYS


def _stem(mnemonic: str, condition: int) -> str:
    """The mnemonic without width, data type and condition, as the tables above spell it."""
    stem = mnemonic.split(".")[0]
    if condition != ALWAYS and stem.endswith(_CONDITIONS[condition]) and len(stem) > 2:
        stem = stem[:-2]
    return stem


def _classify(stem: str, insn: Any) -> Kind:
    """The kind, before it is known whether the PC is written."""
    if stem in _LOAD_BYTES:
        return Kind.LOAD
    if stem in _STORE_BYTES:
        indexed = any(o.type == cs.ARM_OP_MEM and o.mem.index for o in insn.operands)
        return Kind.STORE_REGISTER_OFFSET if indexed else Kind.STORE
    if stem in _LOAD_MULTIPLE:
        return Kind.LOAD_MULTIPLE
    if stem in _STORE_MULTIPLE:
        return Kind.STORE_MULTIPLE
    if stem in _BRANCHES:
        return Kind.BRANCH
    if stem in ("bx", "blx"):
        return Kind.BRANCH_REGISTER
    if stem in ("tbb", "tbh"):
        return Kind.TABLE_BRANCH
    if stem in _DIVIDE:
        return Kind.DIVIDE
    if stem in _SYSTEM:
        return Kind.SYSTEM
    if stem.startswith("it") and set(stem[2:]) <= {"t", "e"}:
        return Kind.IT
    if stem.startswith(_MULTIPLY_PREFIXES):
        return Kind.MULTIPLY
    return _classify_fp(stem) if stem.startswith("v") else Kind.ALU


def _classify_fp(stem: str) -> Kind:
    if stem == "vldr":
        return Kind.FP_LOAD
    if stem == "vstr":
        return Kind.FP_STORE
    if stem in ("vpop", "vldmia", "vldmdb"):
        return Kind.LOAD_MULTIPLE
    if stem in ("vpush", "vstmia", "vstmdb"):
        return Kind.STORE_MULTIPLE
    if stem in _FP_ACCUMULATE:
        return Kind.FP_ACCUMULATE
    if stem in ("vdiv", "vsqrt"):
        return Kind.FP_DIVIDE
    if stem in ("vmov", "vmrs", "vmsr"):
        return Kind.FP_MOVE
    return Kind.FP


def _memory(insn: Any, stem: str) -> Address | None:
    """The address form of a load, store or table branch."""
    for operand in insn.operands:
        if operand.type == cs.ARM_OP_MEM:
            index = _core_register(operand.mem.index) if operand.mem.index else -1
            shift = operand.shift.value if operand.shift.type == cs.ARM_SFT_LSL else 0
            if stem == "tbh":
                shift = 1
            # Post-indexing uses the base as it is; the offset only goes into the write-back.
            offset = 0 if insn.post_index else operand.mem.disp
            sizes = {**_LOAD_BYTES, **_STORE_BYTES}
            return Address(_core_register(operand.mem.base), index, shift, offset, sizes.get(stem, 4))
    if stem in ("push", "vpush", "pop", "vpop"):
        count = _moved_words(insn, stem)
        return Address(SP, -1, 0, -4 * count if stem.endswith("push") else 0, 4)
    if stem in ("ldm", "stm", "ldmdb", "stmdb", "vldmia", "vstmia", "vldmdb", "vstmdb"):
        count = _moved_words(insn, stem)
        base = _core_register(insn.operands[0].reg)
        return Address(base, -1, 0, -4 * count if stem.endswith("db") else 0, 4)
    return None


def _moved_words(insn: Any, stem: str) -> int:
    """Words that a multiple load or store moves, LDRD and STRD included."""
    if stem in ("ldrd", "strd"):
        return 2
    if stem in ("vldr", "vstr"):
        return _fp_mask(insn.operands[0].reg).bit_count()
    registers = [o.reg for o in insn.operands if o.type == cs.ARM_OP_REG]
    if stem not in ("push", "pop", "vpush", "vpop"):
        registers = registers[1:]
    if stem.startswith("v"):
        return _fp_set(registers).bit_count()
    return len(registers)


def _written_back(insn: Any, stem: str) -> int:
    """The base register that the instruction also updates, as a mask."""
    if stem in ("push", "pop", "vpush", "vpop"):
        return 1 << SP
    if not insn.writeback:
        return 0
    for operand in insn.operands:
        if operand.type == cs.ARM_OP_MEM:
            return 1 << _core_register(operand.mem.base)
    return 1 << _core_register(insn.operands[0].reg)


def _moves(insn: Any, stem: str, writeback: int, words: int) -> tuple[str, int, int, int, int] | None:
    """Simple register arithmetic, for following addresses through a block.

    ``("constant", d, 0, value, 0)``, ``("add", d, n, immediate, 0)``, ``("sum", d, n, m, shift)``,
    ``("shift", d, m, amount, 0)`` or ``("top", d, 0, value, 0)`` for MOVT; between the register files
    ``("from_fp", d, s, 0, 0)`` and ``("to_fp", s, n, 0, 0)``; ``("near", d, n, 0, 0)`` is Rn and
    something that is not followed.
    """
    operands = insn.operands
    if stem == "vmov":
        return _between_files(operands)
    if writeback:
        base = writeback.bit_length() - 1
        for position, operand in enumerate(operands):
            if operand.type == cs.ARM_OP_MEM:
                if not insn.post_index:
                    return None if operand.mem.index else ("add", base, base, operand.mem.disp, 0)
                step = operands[position + 1] if position + 1 < len(operands) else None
                if step is None or step.type != cs.ARM_OP_IMM:
                    return None
                return ("add", base, base, -step.imm if operand.subtracted else step.imm, 0)
        down = stem in ("push", "vpush") or stem.endswith("db")
        return ("add", base, base, -4 * words if down else 4 * words, 0)
    if len(operands) < 2 or operands[0].type != cs.ARM_OP_REG:
        return None
    dest = _core_register(operands[0].reg)
    if dest < 0 or dest == PC:
        return None
    return _arithmetic(stem, insn, dest)


def _between_files(operands: Any) -> tuple[str, int, int, int, int] | None:
    """A VMOV of one register between core and FPU."""
    if len(operands) != 2 or any(o.type != cs.ARM_OP_REG for o in operands):
        return None
    to, source = (o.reg for o in operands)
    core = _core_register(to) >= 0
    single = _fp_mask(source if core else to)
    other = _core_register(to if core else source)
    if other < 0 or other == PC or single.bit_count() != 1:
        return None
    place = single.bit_length() - 1
    return ("from_fp", other, place, 0, 0) if core else ("to_fp", place, other, 0, 0)


# Rn and a byte or halfword of Rm.
_EXTENDED_SUMS = ("uxtab", "uxtah", "sxtab", "sxtah")


def _arithmetic(stem: str, insn: Any, dest: int) -> tuple[str, int, int, int, int] | None:
    operands = insn.operands
    last = operands[-1]
    immediate = last.imm if last.type == cs.ARM_OP_IMM else None
    register = _core_register(last.reg) if last.type == cs.ARM_OP_REG else -1
    if stem in ("mov", "movs", "movw") and len(operands) == 2:
        if immediate is not None:
            return ("constant", dest, 0, immediate, 0)
        return ("add", dest, register, 0, 0) if register >= 0 and not last.shift.type else None
    if stem == "movt" and immediate is not None:
        return ("top", dest, 0, immediate, 0)
    if stem == "adr" and immediate is not None:
        return ("constant", dest, 0, ((insn.address + 4) & ~3) + immediate, 0)
    if stem in ("add", "adds", "addw", "sub", "subs", "subw"):
        source = _core_register(operands[1].reg if len(operands) == 3 else operands[0].reg)
        negative = stem.startswith("sub")
        if source == PC and immediate is not None:
            base = (insn.address + 4) & ~3
            return ("constant", dest, 0, base - immediate if negative else base + immediate, 0)
        if immediate is not None:
            return ("add", dest, source, -immediate if negative else immediate, 0)
        if register >= 0 and not negative and last.shift.type in (0, cs.ARM_SFT_LSL):
            return ("sum", dest, source, register, last.shift.value if last.shift.type else 0)
        return ("near", dest, source, 0, 0)
    if stem in _EXTENDED_SUMS or (stem == "mla" and len(operands) == 4):
        return ("near", dest, _core_register(operands[3 if stem == "mla" else 1].reg), 0, 0)
    if stem in ("lsl", "lsls") and immediate is not None and len(operands) == 3:
        return ("shift", dest, _core_register(operands[1].reg), immediate, 0)
    return None


def _instruction(insn: Any) -> Instruction:
    condition = _condition(insn)
    stem = insn.mnemonic.split(".")[0] if insn.mnemonic.startswith("it") else _stem(insn.mnemonic, condition)
    kind = _classify(stem, insn)
    if kind is Kind.IT:
        condition = ALWAYS
    reads, writes = insn.regs_access()
    core_writes = _core_mask(writes)
    writeback = _written_back(insn, stem) if kind in MEMORY else 0
    words = _moved_words(insn, stem) if kind in MEMORY and kind not in (Kind.LOAD, Kind.STORE) else 1
    memory = _memory(insn, stem) if kind in MEMORY or kind is Kind.TABLE_BRANCH else None
    addressed = 0
    if memory is not None:
        addressed = (1 << memory.base) | (1 << memory.index if memory.index >= 0 else 0)
    if kind in (Kind.ALU, Kind.SYSTEM) and core_writes >> PC & 1 and stem not in _SYSTEM:
        kind = Kind.BRANCH_REGISTER
    fp_reads, fp_writes = _fp_set(reads), _fp_set(writes)
    addend = _fp_mask(insn.operands[0].reg) if kind is Kind.FP_ACCUMULATE else 0
    if kind is Kind.LOAD_MULTIPLE and stem.startswith("v"):
        fp_reads = 0
    if stem == "vmov" and (insn.mnemonic.endswith(("32", "64")) or _is_fp_only(insn)):
        kind = Kind.FP
    branches = kind in (Kind.BRANCH, Kind.BRANCH_REGISTER, Kind.TABLE_BRANCH) or bool(core_writes >> PC & 1)
    return Instruction(
        address=insn.address,
        size_bytes=insn.size,
        text=f"{insn.mnemonic} {insn.op_str}".strip(),
        kind=kind,
        registers=_fp_moved(insn) if kind is Kind.FP_MOVE else words,
        writes=core_writes & 0x7FFF,
        base_writeback=writeback,
        address_registers=addressed,
        memory=memory,
        fp_reads=fp_reads,
        fp_writes=fp_writes,
        fp_addend=addend,
        condition=condition,
        branches=branches,
        moves=_moves(insn, stem, writeback, words),
    )


def _is_fp_only(insn: Any) -> bool:
    """Whether a VMOV stays within the FP registers (or takes an immediate)."""
    return not any(o.type == cs.ARM_OP_REG and _core_register(o.reg) >= 0 for o in insn.operands)


def _fp_moved(insn: Any) -> int:
    """Core registers that a VMOV between the files moves: 1 or 2."""
    cores = [o for o in insn.operands if o.type == cs.ARM_OP_REG and _core_register(o.reg) >= 0]
    return max(1, len(cores))


# Instructions met so far, by their bytes: those that mean the same at every address and behind every other.
_KNOWN: dict[bytes, Instruction] = {}
_WIDE = 0b11101  # the highest five bits of a 32-bit instruction's first half, and above: DDI 0403 A5.1


def decode(code: bytes, address: int) -> tuple[Instruction, ...]:
    """The instructions of a straight line of code, as far as they are valid.

    Capstone takes some thirty microseconds for an instruction, so it is only asked for those that are new.

    Args:
        code: the bytes, starting at an instruction.
        address: where they lie.
    """
    found: list[Instruction] = []
    position = 0
    while position < len(code):
        known = _KNOWN.get(_bytes_at(code, position))
        if known is not None:
            found.append(_moved_to(known, address + position))
            position += known.size_bytes
            continue
        behind = _decode_new(code[position:], address + position, found)
        if not behind:
            break
        position += behind
    return tuple(found)


def _bytes_at(code: bytes, position: int) -> bytes:
    wide = code[position + 1] >> 3 >= _WIDE
    return code[position : position + (4 if wide else 2)]


def _moved_to(known: Instruction, address: int) -> Instruction:
    i = known
    return Instruction(
        address, i.size_bytes, i.text, i.kind, i.registers, i.writes, i.base_writeback, i.address_registers,
        i.memory, i.fp_reads, i.fp_writes, i.fp_addend, i.condition, i.branches, i.moves,
    )  # fmt: skip


def _decode_new(code: bytes, address: int, found: list[Instruction]) -> int:
    """Decode up to an instruction that is known; how many bytes that were, 0 where the code is not valid."""
    position = 0
    under_it = 0  # instructions that an IT still rules
    for insn in _disassembler().disasm(code, address):
        instruction = _instruction(insn)
        found.append(instruction)
        if instruction.kind is Kind.IT:
            under_it = len(instruction.text.split()[0]) - 1
        elif under_it:
            under_it -= 1
        elif _means_the_same_everywhere(instruction):
            _KNOWN[code[position : position + insn.size]] = instruction
        position += insn.size
        if position < len(code) and not under_it and _bytes_at(code, position) in _KNOWN:
            break
    return position


def _means_the_same_everywhere(instruction: Instruction) -> bool:
    relative = instruction.memory is not None and instruction.memory.base == PC
    reads_pc = instruction.text.startswith("adr") or "pc" in instruction.text
    return not (instruction.branches or relative or reads_pc)
