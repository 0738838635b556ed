"""The typed settings: what may stand in a configuration file."""

from gateway.runtime.lean_imports import import_pydantic

import_pydantic()  # here, because what follows makes the first models of a start
