"""What `slot_sharing_group(...)` takes: a name, or an object that has one."""

from abc import ABC, abstractmethod

from millstream.datastream.call_site import call_site
from millstream.errors import ProgramError
from millstream_dataflow.names import name_problem


class DescribedGroup(ABC):
    """A group with more than a name: PyFlink's `SlotSharingGroup`, which is in `millstream.pyflink.own`."""

    @abstractmethod
    def get_name(self) -> str:
        """The group's name."""


def group_name(call: str, group: object) -> str:
    """The name of a group that is given by name or as an object; ProgramError for what can't be one."""
    name = group.get_name() if isinstance(group, DescribedGroup) else group
    if problem := name_problem(name):
        raise ProgramError(f"{call} takes a name, but {problem}", "give it another one", defined_at=call_site())
    return str(name)
