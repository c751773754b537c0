"""Terms of office: how a JobManager comes to lead, and how it knows that it still does (ARCHITECTURE 9).

Read in this order:

* `tenure`     may a leader decide now? Pure
* `office`     what a term of office is, and who gives them
* `single`     one JobManager: its lock file
* `won_office` one that was won in ZooKeeper: its lease, its announcement
* `candidate`  any number of JobManagers: one of them wins in ZooKeeper
* `choice`     from the configuration to one of them
"""
