"""Worker processes, as the TaskManager's service sees them.

Read `pool` (the face: spawn, send, kill, and what is heard back), `worker_process` (one process: its control socket
and what it prints), `printed_lines` and `disk` (what is printed, on its way into files), `spawning` and
`forkserver` (the program that forks them: its exec, then what it is asked), `exit_report` (how a process ended, in
words) and `memory_events` (whether the kernel killed for want of memory).
"""
