"""Operators, named by verb and noun; each calls one function of the core."""
