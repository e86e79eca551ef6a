"""Static files that live inside installed packages, served without copying them into the tree."""

from importlib.util import find_spec
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage


class PackageFileFinder(BaseFinder):
    """Finds the single files named in ``PACKAGE_STATIC_FILES``.

    A whole package folder is not served: Plotly's, for one, also holds a 5 MB widget bundle.
    """

    def __init__(self, *args, **kwargs) -> None:
        self.files: dict[str, Path] = {}
        for name, (package, inside) in settings.PACKAGE_STATIC_FILES.items():
            spec = find_spec(package)
            if spec is not None and spec.origin:
                self.files[name] = Path(spec.origin).parent / inside
        super().__init__(*args, **kwargs)

    def check(self, **_options) -> list:
        return []

    def find(self, path: str, find_all: bool = False, **_options) -> str | list[str]:
        found = self.files.get(path)
        if found is None:
            return []
        return [str(found)] if find_all else str(found)

    def list(self, ignore_patterns):
        for name, file in self.files.items():
            storage = FileSystemStorage(location=str(file.parent))
            storage.prefix = name.rpartition("/")[0]
            yield file.name, storage
