"""From a program to a running job: the seam between the environment and whatever runs jobs.

Read in this order: `executor` (who runs jobs, chosen by `execution.target`), `job_client` (what one can do with a
running job), `job_execution_result`, `context` (what the program finds around it), `launch` (compile, choose,
submit).
"""
