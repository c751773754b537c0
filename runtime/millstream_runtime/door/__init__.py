"""The TCP port before gRPC: door looks at what a connection says first, private_socket is where gRPC listens."""
