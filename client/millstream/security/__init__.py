"""What makes a small cluster's connections safe: `authorities` signs certificates, `working_set` writes all the files.

Large organisations have authorities of their own; docs/security.md says what their certificates must carry.
"""
