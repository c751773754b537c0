"""The contracts: what travels between processes and what lies in a checkpoint.

Read the `.proto` files; what ends in `_pb2.py`, `_pb2.pyi` or `_pb2_grpc.py` is generated from them by `make proto`.
"""
