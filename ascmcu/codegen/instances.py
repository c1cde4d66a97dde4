# SPDX-License-Identifier: Apache-2.0
"""A library whose variables are members of a struct of the caller's, so that several tasks can run the same network.

The generated C keeps what it remembers in variables of its files, which is the fastest form. Here its text is turned
into one in which every function that reaches such a variable takes a pointer to ``struct model`` or ``struct
frontend`` first. Nothing is left in static RAM, which a test asks of the object files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from ascmcu.codegen.prefix import file_name
from ascmcu.errors import VerifyError

# A file that has variables, and what its functions are told them by.
OWNERS = ("model", "frontend")
_COMMENT = r"/\*.*?\*/"
_STRING = r'"(?:\\.|[^"\\\n])*"'
_SKIPPED = re.compile(rf"({_COMMENT}|{_STRING})", re.DOTALL)
_WORD = re.compile(r"(?<![\w.])(?<!->)[A-Za-z_]\w*")
# One of a file's variables, on a line of its own.
_VARIABLE = re.compile(
    r"^(?:static )?(?:_Alignas\(\d+\) )?(?P<type>(?:const |struct )?\w+ \**)(?P<name>\w+)"
    r"(?P<extent>(?:\[[^\]]*\])*)"
    r"(?: [A-Z]\w*(?:\([^)]*\))?)?(?: = [^;{]*)?;(?P<comment> /\*.*\*/)?\n",
    re.MULTILINE,
)
_STRUCT = re.compile(r"^struct (\w+) \{\n(.*?)^\};\n+", re.DOTALL | re.MULTILINE)
_FUNCTION = re.compile(
    r"^(?:__attribute__\(\(.*?\)\) )?[A-Za-z_][\w *]*?(\w+)\(([^;{}]*)\)\n\{\n.*?^\}\n",
    re.DOTALL | re.MULTILINE,
)
_MACRO = re.compile(r"^#define (\w+)((?:.*\\\n)*.*)\n", re.MULTILINE)
_PROTOTYPE = re.compile(r"^(?![\s#/*}])[\w *]*?(\w+)\(([^;{}()]*)\);\n", re.MULTILINE)
_ARENA = re.compile(r"^#ifdef MODEL_ARENA\n.*?^#else\n(.*?)^#endif\n", re.DOTALL | re.MULTILINE)
_CONDITIONAL = re.compile(r"^#ifdef MODEL_CYCLES_HEADER\n.*?^#(?:else|endif)\n", re.DOTALL | re.MULTILINE)
_ENUM = re.compile(r"^enum \{(.*?)\};", re.DOTALL | re.MULTILINE)
# A variable that a header tells of, with the comment before it.
_EXTERN = re.compile(r"^((?:/\*[^\n]*\*/\n)?)extern [\w *]*?(\w+)(?:\[[^\]]*\])*;\n+", re.MULTILINE)
_BEGIN = '#ifdef __cplusplus\nextern "C" {\n#endif\n'
_TYPES = {"float32_t": "float", "model_float": "float", "model_int32": "int32_t"}


@dataclass(frozen=True)
class Member:
    """A variable that becomes a member; ``declaration`` is its line in the struct."""

    variable: str
    name: str
    declaration: str


@dataclass(frozen=True)
class Unit:
    """A file with variables.

    Attributes:
        owner: ``model`` or ``frontend``: the name of the struct and of the pointer.
        source: its C without them.
        members: what they become.
        types: declarations of the types that they have.
    """

    owner: str
    source: str
    members: tuple[Member, ...]
    types: str

    @staticmethod
    def of(owner: str, source: str, header: str) -> Unit:
        """Take the variables out of a file."""
        values = _enumerators(header, source)
        declared = {found[2]: f" {found[1].strip()}" for found in _EXTERN.finditer(header) if found[1]}
        source = _ARENA.sub(r"\1", source)
        kept: list[str] = []

        def hide(found: re.Match[str]) -> str:
            kept.append(found[0])
            return f"@{len(kept) - 1}@\n"

        # Counters of cycles are one for all, where they are counted at all; in functions there are no variables.
        hidden = _FUNCTION.sub(hide, _CONDITIONAL.sub(hide, source))
        variables = [v for v in _VARIABLE.finditer(hidden) if _is_mutable(v["type"])]
        for variable in reversed(variables):
            hidden = hidden[: variable.start()] + hidden[variable.end() :]
        used = {
            v["type"].removeprefix("struct ").strip() for v in variables if v["type"].startswith("struct ")
        }
        types = [s for s in _STRUCT.finditer(hidden) if s[1] in used]
        for struct in reversed(types):
            hidden = hidden[: struct.start()] + hidden[struct.end() :]
        renamed = {s[1]: f"{owner}_{'state' if s[1] == owner else s[1]}" for s in types}
        shown = hidden
        while re.search(shown_again := r"^@(\d+)@\n", shown, re.MULTILINE):
            shown = re.sub(shown_again, lambda found: kept[int(found[1])], shown, flags=re.MULTILINE)
        return Unit(
            owner,
            _types_renamed(shown, renamed),
            tuple(_member(owner, v, values, renamed, declared) for v in variables),
            "".join(_struct(s, values, renamed) for s in types),
        )

    @property
    def struct(self) -> str:
        """Its declaration, for the header."""
        align = f"{self.owner.upper()}_ALIGNED"
        lines = "".join(f"    {m.declaration}\n" for m in self.members)
        return (
            f"#ifdef __cplusplus\n#define {align} alignas(8)\n#else\n#define {align} _Alignas(8)\n#endif\n\n"
            f"{self.types}/* One instance. Its members are for {self.owner}.c alone; begin with a reset. */\n"
            f"struct {self.owner} {{\n{lines}}};\n\n"
        )


def in_structs(files: Mapping[str, str]) -> dict[str, str]:
    """The files of a library with instances.

    Args:
        files: text by file name, without a prefix: ``model.c``, ``model.h``, and where there are any those of the front
            end and of the self-test.

    Raises:
        VerifyError: a variable that this does not know how to move.
    """
    made = dict(files)
    units = [Unit.of(o, files[f"{o}.c"], files[f"{o}.h"]) for o in OWNERS if f"{o}.c" in files]
    sources = {f"{unit.owner}.c": unit.source for unit in units}
    sources |= {name: files[name] for name in ("selftest.c",) if name in files}
    public: dict[str, frozenset[str]] = {}
    variables = {unit.owner: {m.variable: m.name for m in unit.members} for unit in units}
    for name, source in sources.items():
        owner = name.removesuffix(".c")
        own = variables.get(owner, {})
        needs = _needs(source, owner, own, public)
        made[name] = _rewritten(source, owner, own, needs)
        public |= {
            function: needs[function] for function in needs if function.startswith((*OWNERS, "selftest"))
        }
    for unit in units:
        made[f"{unit.owner}.h"] = _header(
            _without_variables(files[f"{unit.owner}.h"], unit), public, unit.struct
        )
    if "selftest.h" in made:
        forward = "".join(f"struct {unit.owner};\n" for unit in units)
        made["selftest.h"] = _header(files["selftest.h"], public, f"{forward}\n")
    return made


def told(page: str, headers: Mapping[str, str]) -> str:
    """A page that shows calls of a library with instances, with the instances in them."""
    return _calls(page, functions(headers), lambda owner: f"&{owner}")


def functions(files: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The functions of a library with instances that take some, by their names."""
    found = {}
    for text in (text for name, text in files.items() if name.endswith(".h")):
        for prototype in _PROTOTYPE.finditer(text):
            if taken := frozenset(re.findall(r"struct \w+ \*(model|frontend)\b", prototype[2])):
                found[prototype[1]] = taken
    return found


def single(headers: Mapping[str, str], prefix: str = "", folder: str = "") -> dict[str, str]:
    """Files for a program that knows no instances: one of each, and macros by which its calls take them.

    Args:
        headers: of a library with instances, by file name.
        prefix: of the library.
        folder: where it lies, below the parent of the folder of these files.

    Returns:
        The lines that ``model.h`` and its like need behind the library's own; ``model.c`` and ``frontend.c``, whole.
    """
    taking = functions(headers)
    place = f"../{folder}/" if folder else "../"
    made = {}
    for common in (*OWNERS, "selftest"):
        own = file_name(f"{common}.h", prefix)
        if own not in headers:
            continue
        tags = {"model": prefix or "model", "frontend": f"{prefix}_frontend".removeprefix("_")}
        used = frozenset().union(*(taking.get(p[1], ()) for p in _PROTOTYPE.finditer(headers[own])))
        lines = [f"extern struct {tags[owner]} the_{owner};" for owner in OWNERS if owner in used]
        if common in OWNERS:
            source = own.removesuffix(".h") + ".c"
            made[f"{common}.c"] = (
                f'#include "{place}{source}"\n#include "{common}.h"\nstruct {tags[common]} the_{common};\n'
            )
        if common == "model":
            lines.append("#define model_layer_cycles the_model.layer_cycles")
        for prototype in _PROTOTYPE.finditer(headers[own]):
            if prototype[1] in taking:
                arguments = [f"&the_{owner}" for owner in OWNERS if owner in taking[prototype[1]]]
                more = prototype[2].count(",") >= len(arguments)
                passed = ", ".join([*arguments, *(["__VA_ARGS__"] if more else [])])
                lines.append(f"#define {prototype[1]}({'...' if more else ''}) {prototype[1]}({passed})")
        made[f"{common}.h"] = "\n".join(["", *lines, ""])
    return made


# ---- parts


def _is_mutable(c_type: str) -> bool:
    """A constant is none, a pointer to one is."""
    return not c_type.startswith(("const ", "extern ", "typedef ", "return ")) or c_type.endswith("*")


def _member(
    owner: str,
    variable: re.Match[str],
    values: Mapping[str, int],
    renamed: Mapping[str, str],
    declared: Mapping[str, str],
) -> Member:
    name = variable["name"].removeprefix(f"{owner}_")
    # What a compiler gives a static array: kernels read pairs and quads of small values as words.
    align = f"{owner.upper()}_ALIGNED " if variable["extent"] else ""
    c_type = _types_renamed(variable["type"], renamed)
    c_type = re.sub(r"\w+", lambda word: _TYPES.get(word[0], word[0]), c_type)
    comment = declared.get(variable["name"], "") or variable["comment"] or ""
    declaration = f"{align}{c_type}{name}{_extent(variable['extent'], values)};{comment}"
    return Member(variable["name"], name, declaration)


def _struct(struct: re.Match[str], values: Mapping[str, int], renamed: Mapping[str, str]) -> str:
    owner = renamed[struct[1]].partition("_")[0]
    body = re.sub(r"\[[^\]]*\]", lambda found: _extent(found[0], values), struct[2])
    body = re.sub(r"\b\w+\b", lambda word: _TYPES.get(word[0], word[0]), body)
    body = re.sub(r"_Alignas\(8\)", f"{owner.upper()}_ALIGNED", body)
    return f"struct {renamed[struct[1]]} {{\n{body}}};\n\n"


def _types_renamed(text: str, renamed: Mapping[str, str]) -> str:
    return re.sub(r"\bstruct (\w+)\b", lambda found: f"struct {renamed.get(found[1], found[1])}", text)


def _enumerators(*texts: str) -> dict[str, int]:
    """The values of a file's numeric macros and enumerators."""
    values: dict[str, int] = {}
    for text in texts:
        for name, value in re.findall(r"^#define (\w+) (\d+)\b", text, re.MULTILINE):
            values[name] = int(value)
        for enum in _ENUM.finditer(text):
            for item in re.sub(_COMMENT, "", enum[1], flags=re.DOTALL).split(","):
                name, equals, expression = item.partition("=")
                if equals:
                    values[name.strip()] = _value(expression, values)
    return values


def _extent(extent: str, values: Mapping[str, int]) -> str:
    """Dimensions as numbers: a header keeps no names of its own for them."""
    return re.sub(r"\[([^\]]*)\]", lambda found: f"[{_value(found[1], values)}]", extent)


def _value(expression: str, values: Mapping[str, int]) -> int:
    """A C expression of whole numbers, as the generated C has them: + - * / % ( ) and names."""
    known = re.sub(
        r"(?<=\d)u\b", "", re.sub(r"[A-Za-z_]\w*", lambda n: str(values.get(n[0], n[0])), expression)
    )
    if not re.fullmatch(r"[\d\s+\-*/%()]+", known):
        raise VerifyError("the size of a variable is not known", found=expression.strip())
    return int(eval(known.replace("/", "//"), {"__builtins__": {}}))


def _needs(
    source: str, owner: str, variables: Mapping[str, str], public: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """What each function and macro of a file has to be told: the owners of the variables that it reaches."""
    words: dict[str, Set[str]] = {}
    for found in (*_FUNCTION.finditer(source), *_MACRO.finditer(source)):
        words[found[1]] = words.get(found[1], set()) | set(_WORD.findall(_SKIPPED.sub(" ", found[0]))) - {
            found[1]
        }
    needs = {
        name: frozenset({owner} if used & variables.keys() else ()).union(
            *(public[w] for w in used & public.keys())
        )
        for name, used in words.items()
    }
    while True:
        grown = {
            name: needs[name].union(*(needs[w] for w in used & needs.keys())) for name, used in words.items()
        }
        if grown == needs:
            return {**public, **{name: found for name, found in needs.items() if found}}
        needs = grown


def _rewritten(
    source: str, owner: str, variables: Mapping[str, str], needs: Mapping[str, frozenset[str]]
) -> str:
    macros = {found[1] for found in _MACRO.finditer(source)}
    called = {name: found for name, found in needs.items() if name not in macros}

    def inside(text: str) -> str:
        return _calls(_members(text, variables, f"{owner}->"), called, lambda name: name)

    def function(found: re.Match[str]) -> str:
        head, brace, body = found[0].partition("\n{\n")
        return _declared(head, needs.get(found[1], frozenset())) + brace + inside(body)

    source = _MACRO.sub(lambda found: inside(found[0]) if found[1] in needs else found[0], source)
    source = _FUNCTION.sub(function, source)
    asserted = re.compile(r"^_Static_assert\(.*?;\n", re.DOTALL | re.MULTILINE)
    return asserted.sub(lambda found: _members(found[0], variables, f"((struct {owner} *)0)->"), source)


def _members(text: str, variables: Mapping[str, str], through: str) -> str:
    def word(found: re.Match[str]) -> str:
        return f"{through}{variables[found[0]]}" if found[0] in variables else found[0]

    return _outside(text, lambda code: _WORD.sub(word, code))


def _calls(text: str, called: Mapping[str, frozenset[str]], argument: Callable[[str], str]) -> str:
    """Calls with one more argument, in comments too."""

    def call(found: re.Match[str]) -> str:
        given = ", ".join(argument(owner) for owner in OWNERS if owner in called[found[1]])
        return f"{found[1]}({given}{'' if found[2] else ', '}{found[2]}"

    if not called:
        return text
    names = "|".join(sorted(map(re.escape, called), key=len, reverse=True))
    return re.sub(rf"(?<![\w.]){'(?<!->)'}({names})\((\)?)", call, text)


def _outside(text: str, change: Callable[[str], str]) -> str:
    """A change of what is neither comment nor string."""
    return "".join(part if i % 2 else change(part) for i, part in enumerate(_SKIPPED.split(text)))


def _declared(head: str, owners: Set[str]) -> str:
    """The head of a function with its pointers."""
    given = ", ".join(f"struct {owner} *{owner}" for owner in OWNERS if owner in owners)
    if not given:
        return head
    before, _, arguments = head.rpartition("(")
    return f"{before}({given})" if arguments == "void)" else f"{before}({given}, {arguments}"


def _header(header: str, public: Mapping[str, frozenset[str]], inserted: str) -> str:
    """A header with the pointers in its prototypes, and with the struct in front of them."""
    begin, found, functions = header.partition(_BEGIN)
    assert found, "a header without functions"
    functions = _PROTOTYPE.sub(
        lambda p: _declared(p[0].removesuffix(";\n"), public.get(p[1], frozenset())) + ";\n", functions
    )
    shown = re.compile(_COMMENT, re.DOTALL)
    begin, functions = (
        shown.sub(lambda comment: _calls(comment[0], public, lambda owner: owner), text)
        for text in (begin, functions)
    )
    return f"{begin}{found}\n{inserted.rstrip()}\n{functions}"


def _without_variables(header: str, unit: Unit) -> str:
    """A header that declares none of the variables that became members."""
    gone = {member.variable for member in unit.members}
    return _EXTERN.sub(lambda found: "" if found[2] in gone else found[0], header)
