"""Tests in layers: unit, simulation, stories, integration, chaos. What they share lies in `support`."""
