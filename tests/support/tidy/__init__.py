"""The house rules as functions: each takes sources and yields findings, and each finding names its mend.

Read `source` first; then `size`, `imports`, `purity`, `words`, `reasons`, `face`, in any order. They run over this
tree in tests/tidy/test_tidy.py, and over small bad sources in tests/unit/test_tidy_rules.py.
"""
