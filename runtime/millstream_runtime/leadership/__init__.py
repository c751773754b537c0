"""Who leads the cluster, by ZooKeeper (ARCHITECTURE 9).

Read in this order:

* `nodes`      what a cluster has in ZooKeeper, and how it is written
* `errors`     how asking can fail
* `session`    kazoo, so that it never gives up and never hangs
* `zookeeper`  questions and transactions as futures, answers as values
* `connection` from the configuration to a session
* `discovery`  who leads, for those who look for a leader

Nothing is imported here, for kazoo takes 100 ms and most processes have no ZooKeeper.
"""
