"""From the configuration to an election, and to the directory that its store has."""

from millstream_dataflow.configuration import Configuration, ConfigurationError, Problem
from millstream_dataflow.configuration.options import high_availability as ha
from millstream_jobmanager.leadership.candidate import Candidate
from millstream_jobmanager.store.shared import SharedJobStore
from millstream_runtime.file_systems import locate
from millstream_runtime.leadership.connection import cluster_id, cluster_nodes, zookeeper


def shared_directory(configuration: Configuration) -> str:
    """Of the store that all JobManagers of a cluster reach. ConfigurationError where none is named."""
    storage = configuration.get(ha.STORAGE_DIR)
    if storage is None:
        reason = "several JobManagers need a job store that all of them reach"
        mend = "name a mounted directory, or a URI as s3://bucket/millstream"
        raise ConfigurationError(Problem(reason, mend, ha.STORAGE_DIR.key))
    return f"{storage.rstrip('/')}/{cluster_id(configuration)}"


def candidate(configuration: Configuration) -> Candidate:
    """One of any number of JobManagers. Inside the running loop. ConfigurationError for what can't be used."""
    directory = locate(shared_directory(configuration))
    connection = zookeeper(configuration)
    return Candidate(
        connection,
        cluster_nodes(configuration),
        lambda fence, holds: SharedJobStore(connection, fence, directory, holds),
        tolerant=configuration.get(ha.TOLERATE_SUSPENDED),
    )
