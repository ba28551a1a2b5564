"""The supervisor: wait, ask the rules, do as told."""
