"""The compiled core's thin Python face: no torch."""

from penstock.native.core import InstructionSet, compiler, instruction_sets, unavailable
from penstock.native.layer import Layer

__all__ = ["InstructionSet", "Layer", "compiler", "instruction_sets", "unavailable"]
