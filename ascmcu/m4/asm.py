# SPDX-License-Identifier: Apache-2.0
"""Assembly as typed Python: each method of ``Assembly`` writes one instruction.

    a = Assembly("packed_gemm_sums_2", enters=(x, weights, *sums))
    a.ldr(x0, x.post(4))
    a.smlad(a01, x0, h01, a01)
    listing = a.finish()

A register is given by what it holds (``registers.Core``); an instruction that names something else than its register
holds is refused, and so is an operand that the encoding has no room for. Instructions are written wide (``.w``) where
a narrow form exists, so that four bytes an instruction keep loops aligned; forms that only one assembler knows are
written so that GNU as and Clang agree.
"""

from __future__ import annotations

from collections.abc import Sequence

from ascmcu.errors import VerifyError
from ascmcu.m4 import flow
from ascmcu.m4.instruction import ALWAYS, Kind
from ascmcu.m4.instruction import Address as Access
from ascmcu.m4.listing import Align, Entry, Label, Line, Listing, Note, Renamed, Routine
from ascmcu.m4.registers import (
    FLAGS,
    LR,
    PC,
    SP,
    Address,
    Core,
    Fpu,
    Operand,
    Register,
    Shifted,
    encodable,
    listed,
)

CONDITIONS = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
MOST_OFFSET = 4095  # of a load or a store, of an addition of a plain number
LEAST_OFFSET = -255
MOST_STEP = 255  # of a base that advances
_MOST_DOUBLE = 1020  # of LDRD, STRD, VLDR, VSTR, in words
# Single-cycle FP instructions: at odd halfwords a run of them loses a cycle in three (Arm ka006138).
_WORD_ALIGNED = (Kind.FP, Kind.FP_MOVE)
_BYTES = {"ldr": 4, "ldrb": 1, "ldrsb": 1, "ldrh": 2, "ldrsh": 2, "str": 4, "strb": 1, "strh": 2}
# The data instructions whose opposite takes the opposite immediate.
_NEGATED = {"cmp": "cmn", "cmn": "cmp", "add": "sub", "sub": "add", "adds": "subs", "subs": "adds"}
_INVERTED = {"mov": "mvn", "mvn": "mov", "and": "bic", "bic": "and"}
_WORD = 0xFFFFFFFF


class Assembly:
    """Writes a function, instruction by instruction, and checks what each may be given at once.

    Args:
        name: of the function in C.
        enters: what the registers hold at the entry: arguments in r0 to r3, or what a routine is entered with.
        routine: its rules, where it is a routine that other code jumps to.
    """

    def __init__(self, name: str, *, enters: Sequence[Register] = (), routine: Routine | None = None) -> None:
        self.name = name
        self.routine = routine
        self._enters = tuple(routine.enters if routine else enters)
        self._entries: list[Entry] = []
        self._labels: set[str] = set()
        self._saved: tuple[Register, ...] = ()
        self._address = 0  # of the next instruction, from the function's beginning, which is a word's

    def finish(self) -> Listing:
        """The listing, its registers checked on all ways.

        Raises:
            VerifyError: a register does not hold what an instruction names (``flow.check``).
        """
        listing = Listing(self.name, tuple(self._entries), self._enters)
        flow.check(listing, self.routine)
        return listing

    @property
    def instructions(self) -> int:
        """How many are written so far."""
        return sum(isinstance(entry, Line) for entry in self._entries)

    def bytes_since(self, label: Label) -> int:
        """Bytes of code from a placed label to here, padding counted wherever there may be some."""
        behind = self._entries[self._entries.index(label) :]
        return sum(e.size_bytes if isinstance(e, Line) else 2 * isinstance(e, Align) for e in behind)

    def stretch(self) -> Listing:
        """What is written so far, its registers unchecked: to count the cycles of a piece (``count.straight``)."""
        return Listing(self.name, tuple(self._entries), self._enters)

    # ---- Structure ----

    def note(self, text: str) -> None:
        """A comment on a line of its own."""
        self._entries.append(Note(text))

    def align(self) -> None:
        """Let the next instruction begin a word."""
        self._entries.append(Align())
        self._address += -self._address % 4

    def label(self, name: str) -> Label:
        """A place to branch to, which is not yet where."""
        if name in self._labels:
            raise VerifyError("two labels have one name", where=self.name, found=name)
        self._labels.add(name)
        return Label(name)

    def place(self, label: Label) -> Label:
        """The label is here."""
        if label in self._entries:
            raise VerifyError("a label is placed twice", where=self.name, found=label.name)
        self._entries.append(label)
        return label

    def loop(self, name: str) -> Label:
        """A loop begins here, at a word: a label, placed."""
        self.align()
        return self.place(self.label(name))

    def rename(self, old: Core, new: Core) -> None:
        """The register's content goes on under another name."""
        if old.number != new.number:
            raise VerifyError(
                "a value keeps its register", where=self.name, expected=old.text, found=new.text
            )
        self._entries.append(Renamed(old, new))

    # ---- Loads and stores ----

    def ldr(self, to: Core, address: Address) -> None:
        """Load a word."""
        self._load("ldr", to, address)

    def ldrb(self, to: Core, address: Address) -> None:
        """Load a byte, zeros above."""
        self._load("ldrb", to, address)

    def ldrsb(self, to: Core, address: Address) -> None:
        """Load a byte, its sign above."""
        self._load("ldrsb", to, address)

    def ldrh(self, to: Core, address: Address) -> None:
        """Load a halfword, zeros above."""
        self._load("ldrh", to, address)

    def ldrsh(self, to: Core, address: Address) -> None:
        """Load a halfword, its sign above."""
        self._load("ldrsh", to, address)

    def str_(self, value: Core, address: Address) -> None:
        """Store a word."""
        self._store("str", value, address)

    def strb(self, value: Core, address: Address) -> None:
        """Store the low byte."""
        self._store("strb", value, address)

    def strh(self, value: Core, address: Address) -> None:
        """Store the low halfword."""
        self._store("strh", value, address)

    def ldrd(self, first: Core, second: Core, address: Address) -> None:
        """Load two words."""
        self._double("ldrd", Kind.LOAD_MULTIPLE, (first, second), address)

    def strd(self, first: Core, second: Core, address: Address) -> None:
        """Store two words."""
        self._double("strd", Kind.STORE_MULTIPLE, (first, second), address)

    def ldm(self, base: Core, to: Sequence[Core], *, advance: bool = True) -> None:
        """Load words into registers in ascending order; the base advances behind them."""
        self._multiple("ldm.w", base, to, advance)
        self._emit(
            "ldm.w", f"{base.text}{'!' if advance else ''}, {listed(to)}", f"{base.name}, {_names(to)}",
            Kind.LOAD_MULTIPLE, reads=(base,), writes=(*((base,) if advance else ()), *to),
            registers=len(to), access=Access(base.number, -1, 0, 0, 4), writes_back=advance,
        )  # fmt: skip

    def stm(self, base: Core, values: Sequence[Core], *, advance: bool = True) -> None:
        """Store registers in ascending order; the base advances behind them."""
        self._multiple("stm.w", base, values, advance)
        self._emit(
            "stm.w", f"{base.text}{'!' if advance else ''}, {listed(values)}", f"{base.name}, {_names(values)}",
            Kind.STORE_MULTIPLE, reads=(base, *values), writes=(base,) if advance else (),
            registers=len(values), access=Access(base.number, -1, 0, 0, 4), writes_back=advance,
        )  # fmt: skip

    def push(self, registers: Sequence[Core]) -> None:
        """Save registers on the stack, whatever they hold."""
        self._no_pc_sp("push", registers)
        self._saved = (*registers, *self._saved)
        self._emit(
            "push", listed(registers), "", Kind.STORE_MULTIPLE, registers=len(registers),
            access=Access(SP.number, -1, 0, -4 * len(registers), 4), writes_back=True, saves=tuple(registers),
            size=_list_size(registers, LR),
        )  # fmt: skip

    def pop(self, registers: Sequence[Core]) -> None:
        """Take saved registers back; with ``PC`` where the return address was pushed, return."""
        if LR in registers and PC in registers:
            raise self._refused("a pop takes lr or pc", listed(registers))
        self._no_pc_sp("pop", [r for r in registers if r.number != PC.number])
        self._saved = self._saved[len(registers) :]
        self._emit(
            "pop", listed(registers), "", Kind.LOAD_MULTIPLE, registers=len(registers),
            access=Access(SP.number, -1, 0, 0, 4), writes_back=True, restores=tuple(registers),
            returns=PC in registers, size=_list_size(registers, PC),
        )  # fmt: skip

    def vpush(self, registers: Sequence[Fpu]) -> None:
        """Save neighbouring FPU registers on the stack, whatever they hold."""
        self._neighbours("vpush", registers)
        self._saved = (*registers, *self._saved)
        self._emit(
            "vpush", listed(registers), "", Kind.STORE_MULTIPLE, registers=len(registers),
            access=Access(SP.number, -1, 0, -4 * len(registers), 4), writes_back=True, saves=tuple(registers),
        )  # fmt: skip

    def vpop(self, registers: Sequence[Fpu]) -> None:
        """Take saved FPU registers back."""
        self._neighbours("vpop", registers)
        self._saved = self._saved[len(registers) :]
        self._emit(
            "vpop", listed(registers), "", Kind.LOAD_MULTIPLE, registers=len(registers),
            access=Access(SP.number, -1, 0, 0, 4), writes_back=True, restores=tuple(registers),
        )  # fmt: skip

    def stack_argument(self, number: int) -> Address:
        """Where the AAPCS puts argument ``number`` (from 0; the fifth is the first on the stack), behind what was
        pushed."""
        if number < 4:
            raise self._refused("the first four arguments are in registers", f"argument {number}")
        return SP.at(4 * (len(self._saved) + number - 4))

    def vldr(self, to: Fpu, address: Address) -> None:
        """Load a word into an FPU register."""
        self._words("vldr", address)
        if address.writes_back:
            raise self._refused("vldr has no write-back", address.text)
        self._emit(
            "vldr", f"{to.text}, {address.text}", f"{to.name}, {address.names}", Kind.FP_LOAD,
            reads=(address.base,), writes=(to,), access=_access(address, 4),
        )  # fmt: skip

    def vldm(self, base: Core, to: Sequence[Fpu], *, advance: bool = False) -> None:
        """Load words into neighbouring FPU registers; the base may advance behind them."""
        self._neighbours("vldm", to)
        self._emit(
            "vldm", f"{base.text}{'!' if advance else ''}, {listed(to)}", f"{base.name}, {_names(to)}",
            Kind.LOAD_MULTIPLE, reads=(base,), writes=(*((base,) if advance else ()), *to), registers=len(to),
            access=Access(base.number, -1, 0, 0, 4), writes_back=advance,
        )  # fmt: skip

    def vmov(self, to: Core | Fpu, source: Core | Fpu) -> None:
        """Move between a core and an FPU register."""
        if isinstance(to, Core) == isinstance(source, Core):
            raise self._refused("vmov moves between the register files", f"{to.text}, {source.text}")
        self._plain("vmov", *(r for r in (to, source) if isinstance(r, Core)))
        self._emit("vmov", *_operands(to, source), Kind.FP_MOVE, reads=(source,), writes=(to,))

    def vmul(self, to: Fpu, a: Fpu, b: Fpu) -> None:
        """``to = a * b``, float32."""
        self._emit("vmul.f32", *_operands(to, a, b), Kind.FP, reads=(a, b), writes=(to,))

    def vcvt_fixed(self, to: Fpu, value: Fpu, bits: int) -> None:
        """``to = value * 2^bits`` as int32, towards zero, saturated, 0 for what is no number; in the same register."""
        self._range("vcvt's fraction", bits, 1, 32)
        if to.number != value.number:
            raise self._refused("vcvt to fixed point keeps its register", f"{to.text}, {value.text}")
        text, names = _operands(to, value)
        self._emit("vcvt.s32.f32", f"{text}, #{bits}", names, Kind.FP, reads=(value,), writes=(to,))

    # ---- Moves, additions, bits ----

    def mov(self, to: Core, value: Operand) -> None:
        """``to = value``."""
        if isinstance(value, Shifted):
            raise self._refused("a shift is an instruction of its own", f"mov {to.text}{value.suffix}")
        self._data("mov", to, None, value)

    def movw(self, to: Core, value: int) -> None:
        """``to = value``, 0 to 65,535."""
        self._range("movw", value, 0, 65535)
        self._plain("movw", to)
        self._emit("movw", f"{to.text}, #{value}", to.name, Kind.ALU, writes=(to,))

    def add(self, to: Core, a: Core, b: Operand) -> None:
        """``to = a + b``."""
        self._data("add", to, a, b)

    def addw(self, to: Core, a: Core, b: int) -> None:
        """``to = a + b``, b from 0 to 4,095."""
        self._range("addw", b, 0, MOST_OFFSET)
        self._plain("addw", to, a)
        self._emit("addw", f"{to.text}, {a.text}, #{b}", f"{to.name}, {a.name}", Kind.ALU, (a,), (to,))

    def adds(self, to: Core, a: Core, b: Operand) -> None:
        """``to = a + b``, and the flags of the sum."""
        self._data("adds", to, a, b)

    def qadd(self, to: Core, a: Core, b: Core) -> None:
        """``to = a + b`` saturated to 32 bits."""
        self._three("qadd", to, a, b, Kind.ALU)

    def sub(self, to: Core, a: Core, b: Operand) -> None:
        """``to = a - b``."""
        self._data("sub", to, a, b)

    def subs(self, to: Core, a: Core, b: Operand) -> None:
        """``to = a - b``, and the flags of the difference."""
        self._data("subs", to, a, b)

    def rsb(self, to: Core, a: Core, b: Operand) -> None:
        """``to = b - a``."""
        self._data("rsb", to, a, b)

    def and_(self, to: Core, a: Core, b: Operand) -> None:
        """``to = a & b``."""
        self._data("and", to, a, b)

    def orr(self, to: Core, a: Core, b: Operand) -> None:
        """``to = a | b``."""
        self._data("orr", to, a, b)

    def eor(self, to: Core, a: Core, b: Operand) -> None:
        """``to = a ^ b``."""
        self._data("eor", to, a, b)

    def bic(self, to: Core, a: Core, b: Operand) -> None:
        """``to = a & ~b``."""
        self._data("bic", to, a, b)

    def lsl(self, to: Core, a: Core, bits: int) -> None:
        """``to = a << bits``, 1 to 31."""
        self._shift("lsl", to, a, bits, 31)

    def lsr(self, to: Core, a: Core, bits: int) -> None:
        """``to = a >> bits``, zeros from above, 1 to 32."""
        self._shift("lsr", to, a, bits, 32)

    def asr(self, to: Core, a: Core, bits: int) -> None:
        """``to = a >> bits``, the sign from above, 1 to 32."""
        self._shift("asr", to, a, bits, 32)

    def cmp(self, a: Core, b: Operand, *, narrow: bool = False) -> None:
        """The flags of ``a - b``; ``narrow`` takes two bytes where b is a register, or 0 to 255 and a is one of r0 to
        r7."""
        self._data("cmp", None, a, b, narrow=narrow)

    def tst(self, a: Core, b: Operand) -> None:
        """The flags of ``a & b``."""
        self._data("tst", None, a, b)

    # ---- Halves and bytes ----

    def sxtb16(self, to: Core, a: Core, ror: int = 0) -> None:
        """Bytes 0 and 2 of ``a`` rotated right by 0, 8, 16 or 24, sign-extended into halfwords."""
        self._extend("sxtb16", to, a, ror)

    def uxtb16(self, to: Core, a: Core, ror: int = 0) -> None:
        """Bytes 0 and 2 of ``a`` rotated right, zero-extended into halfwords."""
        self._extend("uxtb16", to, a, ror)

    def sxtb(self, to: Core, a: Core, ror: int = 0) -> None:
        """The low byte of ``a`` rotated right, sign-extended."""
        self._extend("sxtb.w", to, a, ror)

    def uxtb(self, to: Core, a: Core, ror: int = 0) -> None:
        """The low byte of ``a`` rotated right, zero-extended."""
        self._extend("uxtb.w", to, a, ror)

    def sxth(self, to: Core, a: Core, ror: int = 0) -> None:
        """The low halfword of ``a`` rotated right, sign-extended."""
        self._extend("sxth.w", to, a, ror)

    def sxtab16(self, to: Core, sums: Core, a: Core, ror: int = 0) -> None:
        """The halves of ``sums`` plus bytes 0 and 2 of ``a`` rotated right, sign-extended."""
        self._rotation("sxtab16", ror)
        text, names = _operands(to, sums, a)
        self._plain("sxtab16", to, sums, a)
        self._emit("sxtab16", text + (f", ror #{ror}" if ror else ""), names, Kind.ALU, (sums, a), (to,))

    def ssub16(self, to: Core, a: Core, b: Core) -> None:
        """The differences of both halves."""
        self._three("ssub16", to, a, b, Kind.ALU)

    def sadd16(self, to: Core, a: Core, b: Core) -> None:
        """The sums of both halves."""
        self._three("sadd16", to, a, b, Kind.ALU)

    def pkhbt(self, to: Core, low: Core, high: Core, lsl: int = 0) -> None:
        """The lower half of ``low``, the upper half of ``high`` shifted left."""
        self._pack("pkhbt", to, low, high, "lsl", lsl, 31)

    def pkhtb(self, to: Core, high: Core, low: Core, asr: int = 0) -> None:
        """The upper half of ``high``, the lower half of ``low`` shifted right."""
        self._pack("pkhtb", to, high, low, "asr", asr, 32)

    def ssat(self, to: Core, bits: int, a: Core, asr: int = 0) -> None:
        """``a >> asr`` saturated to a signed number of ``bits``."""
        self._saturate("ssat", to, bits, a, asr, 1, 32)

    def usat(self, to: Core, bits: int, a: Core, asr: int = 0) -> None:
        """``a >> asr`` saturated to an unsigned number of ``bits``."""
        self._saturate("usat", to, bits, a, asr, 0, 31)

    # ---- Products ----

    def mul(self, to: Core, a: Core, b: Core) -> None:
        """``to = a * b``."""
        self._three("mul", to, a, b)

    def mla(self, to: Core, a: Core, b: Core, c: Core) -> None:
        """``to = a * b + c``."""
        self._four("mla", to, a, b, c)

    def smlad(self, to: Core, a: Core, b: Core, c: Core) -> None:
        """``to = c + a.low * b.low + a.high * b.high``."""
        self._four("smlad", to, a, b, c)

    def smladx(self, to: Core, a: Core, b: Core, c: Core) -> None:
        """``to = c + a.low * b.high + a.high * b.low``."""
        self._four("smladx", to, a, b, c)

    def smuad(self, to: Core, a: Core, b: Core) -> None:
        """``to = a.low * b.low + a.high * b.high``."""
        self._three("smuad", to, a, b)

    def smuadx(self, to: Core, a: Core, b: Core) -> None:
        """``to = a.low * b.high + a.high * b.low``."""
        self._three("smuadx", to, a, b)

    def smlaxy(self, halves: str, to: Core, a: Core, b: Core, c: Core) -> None:
        """``to = c + a.half * b.half``; ``halves`` is ``bb``, ``bt``, ``tb`` or ``tt``: bottom or top of a and b."""
        self._halves("smla", halves, 2)
        self._four(f"smla{halves}", to, a, b, c)

    def smulxy(self, halves: str, to: Core, a: Core, b: Core) -> None:
        """``to = a.half * b.half``."""
        self._halves("smul", halves, 2)
        self._three(f"smul{halves}", to, a, b)

    def smlaw(self, half: str, to: Core, a: Core, b: Core, c: Core) -> None:
        """``to = c + (a * b.half >> 16)``; ``half`` is ``b`` or ``t``."""
        self._halves("smlaw", half, 1)
        self._four(f"smlaw{half}", to, a, b, c)

    def smulw(self, half: str, to: Core, a: Core, b: Core) -> None:
        """``to = a * b.half >> 16``."""
        self._halves("smulw", half, 1)
        self._three(f"smulw{half}", to, a, b)

    def smmul(self, to: Core, a: Core, b: Core) -> None:
        """``to = a * b >> 32``."""
        self._three("smmul", to, a, b)

    def smmla(self, to: Core, a: Core, b: Core, c: Core) -> None:
        """``to = c + (a * b >> 32)``."""
        self._four("smmla", to, a, b, c)

    def smull(self, low: Core, high: Core, a: Core, b: Core) -> None:
        """``high:low = a * b``."""
        self._long("smull", low, high, a, b, reads=())

    def smlal(self, low: Core, high: Core, a: Core, b: Core) -> None:
        """``high:low += a * b``."""
        self._long("smlal", low, high, a, b, reads=(low, high))

    # ---- Branches ----

    def b(
        self, target: Label, condition: str = "", *, leaves: Label | None = None, narrow: bool = False
    ) -> None:
        """Go to a label, always or under a condition. A conditional branch back repeats the loop that begins there; one
        ahead is taken when loop ``leaves`` has had its turns, else rarely. ``narrow`` takes two bytes and reaches some
        250 bytes."""
        self._emit(
            f"b{condition}{'.n' if narrow else '.w'}", "{}", leaves.name if leaves else target.name, Kind.BRANCH,
            (FLAGS,) if condition else (), condition=self._condition(condition), target=target, leaves=leaves,
            size=2 if narrow else 4,
        )  # fmt: skip

    def mov_if(self, condition: str, to: Core, value: int | Core) -> None:
        """Where the condition holds, another value instead of the register's. IT is the upper half of a word behind a
        narrow instruction: there it takes no cycle of its own, and what follows begins a word."""
        code = self._condition(condition)
        if self._address % 4 == 0:
            self._emit("nop", "", "", Kind.ALU, size=2)
        self._emit("it", condition, "", Kind.IT, (FLAGS,), size=2)
        self._data("mov", to, None, value, condition=code)

    def adr(self, to: Core, target: Label) -> None:
        """The address of a label ahead, which begins a word."""
        self._plain("adr.w", to)
        self._emit(
            "adr.w", f"{to.text}, {{}}", f"{to.name}, {target.name}", Kind.ALU, (), (to,), target=target
        )

    def call(self, routine: Routine, through: Core, back: Label) -> None:
        """Jump to a routine, whose address a register holds; it comes back to a label."""
        self._emit(
            "bx",
            through.text,
            routine.name,
            Kind.BRANCH_REGISTER,
            (through,),
            size=2,
            calls=routine,
            back=back,
        )

    def return_(self, through: Core = LR) -> None:
        """Leave the function by the address in a register."""
        self._emit("bx", through.text, through.name, Kind.BRANCH_REGISTER, (through,), size=2, returns=True)

    # ---- Forms of instructions ----

    def _emit(
        self,
        mnemonic: str,
        operands: str,
        names: str,
        kind: Kind,
        reads: Sequence[Register] = (),
        writes: Sequence[Register] = (),
        *,
        size: int = 4,
        registers: int = 1,
        access: Access | None = None,
        writes_back: bool = False,
        condition: int = ALWAYS,
        target: Label | None = None,
        leaves: Label | None = None,
        saves: tuple[Register, ...] = (),
        restores: tuple[Register, ...] = (),
        calls: Routine | None = None,
        back: Label | None = None,
        returns: bool = False,
    ) -> None:
        if kind in _WORD_ALIGNED and self._address % 4:
            raise self._refused(
                "an FP instruction at an odd halfword loses cycles", f"{mnemonic} {operands}",
                expected="a word's start: a narrow instruction before it wide, or align",
            )  # fmt: skip
        self._address += size
        self._entries.append(
            Line(
                mnemonic, operands, names, kind, tuple(reads), tuple(writes), size, registers, access, writes_back,
                condition, target, leaves, saves, restores, calls, back, returns,
            )
        )  # fmt: skip

    def _load(self, mnemonic: str, to: Core, address: Address) -> None:
        self._single(mnemonic, to, address)
        advanced = (address.base,) if address.writes_back else ()
        self._emit(
            mnemonic + _width(address), f"{to.text}, {address.text}", f"{to.name}, {address.names}", Kind.LOAD,
            reads=_addressed(address), writes=(*advanced, to), access=_access(address, _BYTES[mnemonic]),
            writes_back=address.writes_back,
        )  # fmt: skip

    def _store(self, mnemonic: str, value: Core, address: Address) -> None:
        self._single(mnemonic, value, address)
        indexed = isinstance(address.offset, Core)
        self._emit(
            mnemonic + _width(address), f"{value.text}, {address.text}", f"{value.name}, {address.names}",
            Kind.STORE_REGISTER_OFFSET if indexed else Kind.STORE, reads=(value, *_addressed(address)),
            writes=(address.base,) if address.writes_back else (), access=_access(address, _BYTES[mnemonic]),
            writes_back=address.writes_back,
        )  # fmt: skip

    def _double(self, mnemonic: str, kind: Kind, two: tuple[Core, Core], address: Address) -> None:
        self._words(mnemonic, address)
        self._plain(mnemonic, *two)
        loads = kind is Kind.LOAD_MULTIPLE
        if two[0].number == two[1].number:
            raise self._refused(f"{mnemonic} takes two registers", listed(two))
        if address.writes_back and address.base.number in [r.number for r in two]:
            raise self._refused("the base is among the registers", address.text)
        advanced = (address.base,) if address.writes_back else ()
        self._emit(
            mnemonic, f"{two[0].text}, {two[1].text}, {address.text}", f"{_names(two)}, {address.names}", kind,
            reads=(address.base, *(() if loads else two)), writes=(*advanced, *(two if loads else ())),
            registers=2, access=_access(address, 4), writes_back=address.writes_back,
        )  # fmt: skip

    def _neighbours(self, mnemonic: str, registers: Sequence[Fpu]) -> None:
        """The encoding has the first FPU register and a number."""
        first = registers[0].number
        if [r.number for r in registers] != list(range(first, first + len(registers))):
            raise self._refused(f"{mnemonic} takes neighbours", listed(registers))

    def _single(self, mnemonic: str, register: Core, address: Address) -> None:
        """What a load or store of one register may be given."""
        self._plain(mnemonic, register)
        if address.base.number == PC.number:
            raise self._refused("pc is no base", f"{mnemonic} {register.text}, {address.text}")
        if isinstance(address.offset, Core):
            self._plain(mnemonic, address.offset)
            self._range(f"{mnemonic}'s index shift", address.lsl, 0, 3)
        elif address.writes_back:
            self._range(f"{mnemonic}'s step", address.offset, -MOST_STEP, MOST_STEP)
            if address.base.number == register.number:
                raise self._refused("the base is the register", f"{mnemonic} {register.text}, {address.text}")
        else:
            self._range(f"{mnemonic}'s offset", address.offset, LEAST_OFFSET, MOST_OFFSET)

    def _words(self, mnemonic: str, address: Address) -> None:
        """An offset in whole words, up to 1,020 bytes."""
        if isinstance(address.offset, Core):
            raise self._refused(f"{mnemonic} has no index register", address.text)
        self._range(f"{mnemonic}'s offset", address.offset, -_MOST_DOUBLE, _MOST_DOUBLE)
        if address.offset % 4:
            raise self._refused(f"{mnemonic}'s offset is in words", address.text)

    def _multiple(self, mnemonic: str, base: Core, registers: Sequence[Core], advance: bool) -> None:
        numbers = [r.number for r in registers]
        text = f"{mnemonic} {base.text}, {listed(registers)}"
        if len(numbers) < 2 or numbers != sorted(set(numbers)):
            raise self._refused(
                "a multiple load or store takes two or more registers in ascending order", text
            )
        if advance and base.number in numbers:
            raise self._refused("the base is among the registers", text)
        self._no_pc_sp(mnemonic, registers)

    def _data(
        self,
        mnemonic: str,
        to: Core | None,
        a: Core | None,
        b: Operand,
        *,
        narrow: bool = False,
        condition: int = ALWAYS,
    ) -> None:
        """A data instruction: ``to`` and ``a`` where it has them, and a register, shifted register or immediate."""
        registers = [r for r in (to, a) if r is not None]
        self._plain(mnemonic, *registers)
        text, names = _operands(*registers)
        reads = [] if a is None else [a]
        if isinstance(b, int):
            mnemonic, b = self._immediate(mnemonic, b)
            text += f", #{b}" if b <= MOST_OFFSET else f", #0x{b:08X}"
        else:
            register = b.register if isinstance(b, Shifted) else b
            self._plain(mnemonic, register)
            reads.append(register)
            text, names = f"{text}, {register.text}", f"{names}, {register.name}"
            if isinstance(b, Shifted):
                self._range(b.by, b.bits, 1, 32 if b.by in ("lsr", "asr") else 31)
                text += b.suffix
        short = b <= 255 and registers[0].number < 8 if isinstance(b, int) else isinstance(b, Core)
        narrow = narrow and mnemonic == "cmp" and short
        writes: list[Register] = [] if to is None else [to]
        if to is None or mnemonic in ("adds", "subs"):
            writes.append(FLAGS)
        if condition != ALWAYS:
            reads += registers
            mnemonic += CONDITIONS[condition]
        self._emit(
            mnemonic + ("" if narrow or mnemonic.endswith("w") else ".w"), text, names, Kind.ALU,
            (*reads, *(() if condition == ALWAYS else (FLAGS,))), writes, size=2 if narrow else 4,
            condition=condition,
        )  # fmt: skip

    def _immediate(self, mnemonic: str, value: int) -> tuple[str, int]:
        """The mnemonic and number under which the encoding has an immediate: CMP of -5 is CMN of 5, for Clang too."""
        if not -(1 << 31) <= value <= _WORD:
            raise self._refused("an immediate has 32 bits", f"{mnemonic} #{value}")
        if encodable(value):
            return mnemonic, value & _WORD
        if mnemonic in _NEGATED and encodable(-value):
            return _NEGATED[mnemonic], -value & _WORD
        if mnemonic in _INVERTED and encodable(~value):
            return _INVERTED[mnemonic], ~value & _WORD
        if mnemonic in ("add", "sub") and -MOST_OFFSET <= value <= MOST_OFFSET:
            return (mnemonic if value >= 0 else _NEGATED[mnemonic]) + "w", abs(value)
        raise self._refused(
            "no encoding has this immediate", f"{mnemonic} #{value}", expected="a byte, repeated or rotated"
        )

    def _shift(self, mnemonic: str, to: Core, a: Core, bits: int, most: int) -> None:
        self._plain(mnemonic, to, a)
        self._range(mnemonic, bits, 1, most)
        text, names = _operands(to, a)
        self._emit(f"{mnemonic}.w", f"{text}, #{bits}", names, Kind.ALU, (a,), (to,))

    def _extend(self, mnemonic: str, to: Core, a: Core, ror: int) -> None:
        self._plain(mnemonic, to, a)
        self._rotation(mnemonic, ror)
        text, names = _operands(to, a)
        self._emit(mnemonic, text + (f", ror #{ror}" if ror else ""), names, Kind.ALU, (a,), (to,))

    def _pack(self, mnemonic: str, to: Core, a: Core, b: Core, by: str, bits: int, most: int) -> None:
        self._plain(mnemonic, to, a, b)
        self._range(f"{mnemonic}'s shift", bits, 0, most)
        text, names = _operands(to, a, b)
        self._emit(mnemonic, text + (f", {by} #{bits}" if bits else ""), names, Kind.ALU, (a, b), (to,))

    def _saturate(self, mnemonic: str, to: Core, bits: int, a: Core, asr: int, least: int, most: int) -> None:
        self._plain(mnemonic, to, a)
        self._range(f"{mnemonic}'s bits", bits, least, most)
        self._range(f"{mnemonic}'s shift", asr, 0, 31)
        shift = f", asr #{asr}" if asr else ""
        self._emit(
            mnemonic, f"{to.text}, #{bits}, {a.text}{shift}", f"{to.name}, {a.name}", Kind.ALU, (a,), (to,)
        )

    def _three(self, mnemonic: str, to: Core, a: Core, b: Core, kind: Kind = Kind.MULTIPLY) -> None:
        self._plain(mnemonic, to, a, b)
        self._emit(mnemonic, *_operands(to, a, b), kind, (a, b), (to,))

    def _four(self, mnemonic: str, to: Core, a: Core, b: Core, c: Core) -> None:
        self._plain(mnemonic, to, a, b, c)
        self._emit(mnemonic, *_operands(to, a, b, c), Kind.MULTIPLY, (a, b, c), (to,))

    def _long(self, mnemonic: str, low: Core, high: Core, a: Core, b: Core, reads: tuple[Core, ...]) -> None:
        self._plain(mnemonic, low, high, a, b)
        if low.number == high.number:
            raise self._refused("a long product takes two registers", f"{mnemonic} {low.text}, {high.text}")
        self._emit(mnemonic, *_operands(low, high, a, b), Kind.MULTIPLY, (*reads, a, b), (low, high))

    # ---- What an operand may be ----

    def _plain(self, mnemonic: str, *registers: Core) -> None:
        """Neither sp nor pc, which data instructions do not take."""
        for register in registers:
            if register.number in (SP.number, PC.number):
                raise self._refused(f"{register.text} is no operand", mnemonic)

    def _no_pc_sp(self, mnemonic: str, registers: Sequence[Core]) -> None:
        for register in registers:
            if register.number in (SP.number, PC.number):
                raise self._refused(
                    f"{register.text} is in no list of registers", f"{mnemonic} {listed(registers)}"
                )

    def _range(self, what: str, value: int, least: int, most: int) -> None:
        if not least <= value <= most:
            raise self._refused(
                f"{what} is out of its encoding's range", str(value), expected=f"{least} to {most}"
            )

    def _rotation(self, mnemonic: str, ror: int) -> None:
        if ror not in (0, 8, 16, 24):
            raise self._refused(f"{mnemonic} rotates by whole bytes", str(ror), expected="0, 8, 16 or 24")

    def _halves(self, mnemonic: str, halves: str, count: int) -> None:
        if len(halves) != count or set(halves) - {"b", "t"}:
            raise self._refused(f"{mnemonic} takes the bottom or the top", halves, expected="b or t of each")

    def _condition(self, condition: str) -> int:
        if condition and condition not in CONDITIONS:
            raise self._refused("there is no such condition", condition, expected=" ".join(CONDITIONS))
        return CONDITIONS.index(condition) if condition else ALWAYS

    def _refused(self, what: str, found: str, *, expected: object = None) -> VerifyError:
        return VerifyError(
            what, where=f"{self.name}, instruction {len(self._entries)}", expected=expected, found=found
        )


def _operands(*registers: Register) -> tuple[str, str]:
    """Registers as the assembler takes them, and what they hold."""
    return ", ".join(r.text for r in registers), ", ".join(r.name for r in registers)


def _names(registers: Sequence[Register]) -> str:
    return " ".join(r.name for r in registers)


def _addressed(address: Address) -> tuple[Core, ...]:
    return (address.base, address.offset) if isinstance(address.offset, Core) else (address.base,)


def _access(address: Address, size_bytes: int) -> Access:
    """The address form as the timing rules take it; post-indexing uses the base as it is."""
    if isinstance(address.offset, Core):
        return Access(address.base.number, address.offset.number, address.lsl, 0, size_bytes)
    return Access(address.base.number, -1, 0, 0 if address.post else address.offset, size_bytes)


def _width(address: Address) -> str:
    """``.w`` where a narrow form could be taken. Negative offsets and write-back have only wide ones, and Clang does
    not know their ``.w``."""
    wide_only = address.writes_back or (isinstance(address.offset, int) and address.offset < 0)
    return "" if wide_only else ".w"


def _list_size(registers: Sequence[Core], high: Core) -> int:
    """Of PUSH and POP: narrow for r0 to r7 and one of lr and pc."""
    return 2 if all(r.number < 8 or r.number == high.number for r in registers) else 4
