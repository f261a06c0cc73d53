"""In place of the package of this name: jsonschema does without, and no schema here has the addresses that it would check."""

raise ImportError("parsing its grammar would take each of the tests' dozen processes a second")
