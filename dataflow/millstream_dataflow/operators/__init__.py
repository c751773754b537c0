"""Operators as values. Read specifications (one operator), columns (those told by expressions), two_inputs (those of
two streams), then chain (a vertex).
"""
