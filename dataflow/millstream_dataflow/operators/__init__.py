"""Operators as values. Read specifications (one operator), two_inputs (those of two streams), then chain (a vertex)."""
