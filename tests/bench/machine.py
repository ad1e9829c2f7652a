"""A machine to compute with."""

from penstock.bench.roofline import Level, Rate, Roofline

MACHINE = Roofline(
    "made up",
    threads=2,
    peak={"float32": Rate(100, 200), "float64": Rate(50, 100)},
    levels=(
        Level("L1", 32 << 10, Rate(200, 400)),
        Level("L2", 1 << 20, Rate(100, 200)),
        Level("L3", 4 << 20, Rate(50, 100)),
        Level("memory", 0, Rate(10, 20)),
    ),
    barrier=0.1,
)
