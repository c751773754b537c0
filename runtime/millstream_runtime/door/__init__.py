"""The TCP port before gRPC: door looks at what a connection says first, welcome knows who is let in and whereto,
sockets opens, peeks and closes, private_socket is where gRPC listens.
"""
