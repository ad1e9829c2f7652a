"""Reads every file that it is named, with little memory, and prints what was said of each: a line a file, in JSON."""

import json
import resource
import sys
from pathlib import Path

import h5py  # noqa: F401 - what is read needs these, whose own memory is not measured
import msgpack  # noqa: F401
import numpy as np  # noqa: F401

from penstock import PenstockError
from penstock.exchange.files import read_file

SPARED = 600 << 20
"""Bytes beyond what the process has when it begins."""

if __name__ == "__main__":
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + SPARED
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
    for name in sys.argv[1:]:
        try:
            said = read_file(Path(name)).said()
        except PenstockError as error:
            said = str(error)
        print(json.dumps([name, said]), flush=True)
