"""The child process of a program: its cluster."""

from millstream.embedded.child import main

if __name__ == "__main__":
    main()
