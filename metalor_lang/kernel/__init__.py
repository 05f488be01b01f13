"""The kernel's side of the machine: system calls, paths beneath a descriptor, processes."""
