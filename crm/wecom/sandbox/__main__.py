"""Start the sandbox: `python crm/wecom/sandbox --port 8300 --store DIR …`.

Run as a folder, it loads none of its parent packages, so no product code shares the process.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

NAME = "wecom_sandbox"


def load_alone() -> ModuleType:
    """The package under a top-level name, without importing what surrounds it."""
    here = Path(__file__).resolve().parent
    # Python put the folder itself first on the path; its modules are not top-level ones.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    spec = importlib.util.spec_from_file_location(
        NAME, here / "__init__.py", submodule_search_locations=[str(here)]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)
    return importlib.import_module(f"{NAME}.cli")


if __name__ == "__main__":
    sys.exit(load_alone().main())
