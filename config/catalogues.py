"""Translations: .po files become .mo files without any tool of the system.

`python -m config.catalogues` does it once; the demo and the tests do it by themselves.
"""

from pathlib import Path

import polib

LOCALE = Path(__file__).resolve().parent / "locale"


def compile_all() -> int:
    """Compile every catalogue that changed; how many did."""
    compiled = 0
    for source in LOCALE.glob("*/LC_MESSAGES/*.po"):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        draft = target.with_name(f".{target.name}.new")
        polib.pofile(str(source)).save_as_mofile(str(draft))
        draft.rename(target)
        compiled += 1
    return compiled


if __name__ == "__main__":
    print(f"{compile_all()} catalogues compiled")
