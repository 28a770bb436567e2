"""What expressions find in the sandbox, written in its dialect: each program takes along the definitions it uses.

These modules are read as text, never imported by the program; tests import them. All definitions share one name space,
so no two have one name. `outside` names what the host gives. Of a class a program takes only the methods and the
attributes that something in it mentions.
"""
