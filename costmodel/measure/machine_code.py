"""What a compiled library consists of: instructions, vector registers in use, spills."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MachineCode", "read_machine_code"]

_ELF = b"\x7fELF"
#: Flag of a segment that is executed.
_EXECUTABLE = 1
_VECTOR = re.compile(r"\b[xyz]mm(\d+)")
#: A slot of the stack frame: a fixed distance from where the stack, or the frame, begins.
_SLOT = r"\[(?:rsp(?: \+ \w+)?|rbp - \w+)\]"
_SPILL = re.compile(rf"^[xyz]mmword ptr {_SLOT}, [xyz]mm\d")
_RELOAD = re.compile(rf"^[xyz]mm\d.*{_SLOT}")


@dataclass(frozen=True)
class MachineCode:
    """Figures of all code in a library, what is around its loops included.

    ``vector_registers`` is how many different vector registers are used, of 16 or 32;
    ``vector_instructions`` have one among their operands, scalar floating point included;
    ``spills`` store a vector register into the stack frame and ``reloads`` read one from it.
    """

    code_bytes: int
    instructions: int
    vector_instructions: int
    vector_registers: int
    spills: int
    reloads: int


def read_machine_code(library: Path) -> MachineCode | None:
    """Of a shared library, or of what IREE embeds in a module; None if not of x86-64."""
    segments = list(_segments(library.read_bytes()))
    if not segments:
        return None
    import capstone

    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    disassembler.skipdata = True
    size = instructions = vector = spills = reloads = 0
    registers: set[str] = set()
    for code in segments:
        size += len(code)
        for _, _, _, operands in disassembler.disasm_lite(code, 0):
            instructions += 1
            found = _VECTOR.findall(operands)
            if found:
                vector += 1
                registers.update(found)
                spills += bool(_SPILL.match(operands))
                reloads += bool(_RELOAD.match(operands))
    return MachineCode(size, instructions, vector, len(registers), spills, reloads)


def _segments(data: bytes) -> Iterator[bytes]:
    """The executable segments of every ELF file in ``data``."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    place = data.find(_ELF)
    while place >= 0:
        try:
            file = ELFFile(io.BytesIO(data[place:]))
            if file["e_machine"] == "EM_X86_64":
                for segment in file.iter_segments("PT_LOAD"):
                    if segment["p_flags"] & _EXECUTABLE:
                        yield segment.data()
        except (ELFError, ValueError):  # bytes that only look like the beginning of one
            pass
        place = data.find(_ELF, place + 1)
