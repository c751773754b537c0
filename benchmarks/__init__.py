"""How fast Millstream is, as a ratio to what a good engineer's hand-written loop does with as many processes.

`python -m benchmarks NAME [--json]`. Both sides run in turn, on the same input, in the same run: these ratios hold on
noisy machines, the rates don't. A wrong result prints no figure.

Read in this order: `harness` (rounds, medians, the line that is printed), `measuring` (sources and sinks that know
their input beforehand and take the time), `processes` (the two processes of a yardstick), then one file a benchmark.
"""
