import pytest

from hub.errors import ConfigurationError
from hub.settings.load import load_city


@pytest.fixture
def write(tmp_path):
    """Write a city's files (text or bytes by path) and return its folder; hub.yaml is there unless it is given."""

    def write(files):
        for name, content in {"hub.yaml": "city: test\n", **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


@pytest.fixture
def load(write):
    """Load a city of these files."""
    return lambda files, environ=None: load_city(write(files), environ=environ or {})


@pytest.fixture
def problems(load):
    """Return the problems of a city of these files, as lines."""

    def problems(files, environ=None):
        with pytest.raises(ConfigurationError) as caught:
            load(files, environ)
        return [str(problem) for problem in caught.value.problems]

    return problems
