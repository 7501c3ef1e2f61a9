"""What is measured, by what it is measured on: each group runs in a process of its own."""
