"""Operators as values. Read specifications (one operator), then chain (a vertex)."""
