"""`python` inside a pretended container: the current folder and installed packages, but not the project's own tree.

The development environment installs the project in editable mode, so everything would be importable from everywhere
and "boots alone" would prove nothing. Run as `python -I isolated_python.py -m MODULE ARGUMENTS` (or `-c CODE`).
"""

import os
import runpy
import sys
from importlib.util import find_spec


def main() -> None:
    """Hide the tree named by SAMAKI_ISOLATED_FROM, prove it hidden, then run the module."""
    hidden = os.environ["SAMAKI_ISOLATED_FROM"]
    here = os.getcwd()
    keep = [path for path in sys.path if os.path.realpath(path or here) != hidden and "__editable__" not in path]
    sys.path[:] = [here, *[path for path in keep if path != os.path.dirname(__file__)]]
    sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]
    for name in ("tests", "shared", "services", "deploy"):
        spec = find_spec(name)
        for found in (spec.submodule_search_locations or ()) if spec else ():
            if not os.path.realpath(found).startswith(os.path.realpath(here) + os.sep):
                sys.exit(f"not isolated: {name} is importable from {found}")
    option, what, *arguments = sys.argv[1:]
    sys.argv[:] = [what, *arguments]
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    elif option == "-c":
        exec(what, {"__name__": "__main__"})
    else:
        sys.exit(f"unexpected option {option}")


if __name__ == "__main__":
    main()
