"""Operators as values. Read specifications (one operator), columns (those told by expressions), two_inputs (those of
two streams), grouped (batch mode's forms), then chain (a vertex).
"""
