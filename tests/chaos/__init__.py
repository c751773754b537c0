"""`make chaos`: a seeded random schedule of faults against a real cluster under load (ARCHITECTURE.md, 4, 5 and 9).

`schedule` says what happens when (pure), `stage` is the cluster and its enemy's hands, `faults` does each kind of harm
and undoes it, `load` is the job, whose tasks write down their stops, `play` runs the bursts and the calm between them,
`verdict` compares with the truth and counts.
"""
