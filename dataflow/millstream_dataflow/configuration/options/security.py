"""Who may reach the cluster. Submitting a job is running code, so by default only this host may."""

from typing import Final

from millstream_dataflow.configuration.option import Group, Option, Scope
from millstream_dataflow.configuration.parsers import BOOL

INSECURE: Final = Option(
    "security.insecure",
    BOOL,
    default=False,
    meaning="Whether the processes may listen where other hosts reach them, although whoever does can run code there.",
    scope=Scope.CLUSTER,
    own=True,
)

GROUP: Final = Group("Security", "Who may reach the cluster.", (INSECURE,))
