"""The options, one file a topic. Read them as constants of their module: ``configuration.get(restart.STRATEGY)``.

``jobmanager`` and ``taskmanager`` say where the processes are, ``rpc`` and ``network`` how they talk,
``high_availability`` what outlives them; ``execution`` rules one job, ``checkpointing``, ``recovery``, ``restart``
and ``audit`` its failures; ``client``, ``security`` and ``logs`` the rest. ``configuration.table`` joins them.
"""
