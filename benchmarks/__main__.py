"""python -m benchmarks [NAME ...]: run these benchmarks, or all."""

import sys
from importlib import import_module

BENCHMARKS = ("cost", "counters", "time", "train", "sweep", "prune", "explorer")

if __name__ == "__main__":
    chosen = sys.argv[1:] or BENCHMARKS
    if unknown := set(chosen) - set(BENCHMARKS):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; the benchmarks are {', '.join(BENCHMARKS)}")
    for name in chosen:
        print(f"== {name} ==")
        import_module(f"benchmarks.{name}").main()
