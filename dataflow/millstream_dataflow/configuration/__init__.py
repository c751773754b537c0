"""Configuration: what can be set, what it means, and what it is set to. Pure; files are read by the runtime.

Read in this order: ``option`` (one key), ``parsers``, ``quantities`` and ``containers`` (types of values), ``checks``,
``options/`` (the keys, one file a topic), ``table`` (all of them), ``without_effect`` (Flink's other keys),
``configuration`` (values with their origins), ``rules`` (what follows from several values).
"""

from millstream_dataflow.configuration.configuration import Configuration, Setting, Text
from millstream_dataflow.configuration.errors import ConfigurationError, Problem
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.origin import DEFAULT, JOB_GRAPH, PROGRAM, Origin, OriginKind
from millstream_dataflow.configuration.quantities import milliseconds
from millstream_dataflow.configuration.rules import (
    Listener,
    aligned_checkpoint_timeout,
    check_binding,
    check_consistency,
    checkpoint_directory,
    is_loopback,
    overtaking_conflict,
    restart_strategy,
    savepoint_directory,
)
from millstream_dataflow.configuration.table import TABLE, OptionTable

__all__ = [
    "DEFAULT",
    "JOB_GRAPH",
    "PROGRAM",
    "TABLE",
    "Configuration",
    "ConfigurationError",
    "FlinkDifference",
    "Group",
    "Listener",
    "Option",
    "OptionTable",
    "Origin",
    "OriginKind",
    "Problem",
    "Scope",
    "Setting",
    "Text",
    "aligned_checkpoint_timeout",
    "check_binding",
    "check_consistency",
    "checkpoint_directory",
    "is_loopback",
    "milliseconds",
    "overtaking_conflict",
    "restart_strategy",
    "savepoint_directory",
]
