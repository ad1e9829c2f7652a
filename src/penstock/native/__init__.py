"""The compiled core's thin Python face: no torch."""

from penstock.native.core import InstructionSet, compiler, instruction_sets, unavailable
from penstock.native.layer import Layer
from penstock.native.output import OutputLayer

__all__ = ["InstructionSet", "Layer", "OutputLayer", "compiler", "instruction_sets", "unavailable"]
