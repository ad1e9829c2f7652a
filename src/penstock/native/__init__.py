"""The compiled core's thin Python face: no torch."""

from penstock.native.core import InstructionSet, compiler, instruction_sets, unavailable
from penstock.native.layer import RecurrentLayer
from penstock.native.network import Network
from penstock.native.output import OutputLayer

__all__ = ["InstructionSet", "Network", "OutputLayer", "RecurrentLayer", "compiler", "instruction_sets", "unavailable"]
