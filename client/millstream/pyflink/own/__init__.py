"""What PyFlink has and Millstream has no use for by itself, a file each."""
