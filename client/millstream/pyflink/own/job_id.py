"""PyFlink's `JobID`: a job's id is a text of 32 hexadecimal digits."""

JobID = str
"""What `JobClient.get_job_id()` gives."""
