"""The machine: processes, signals, terminals, pipes, cgroups, as the kernel shows them."""
