import subprocess
import sys
from pathlib import Path


def imported(statement: str, folder: Path) -> list[str]:
    """Names of what an interpreter leaves in the folder for temporary files by this import."""
    # Nothing else: the library is also silent where a variable says that it runs in continuous integration.
    environment = dict.fromkeys(("TMPDIR", "HOME", "XDG_CACHE_HOME"), str(folder))
    subprocess.run([sys.executable, "-c", statement], env=environment, check=True)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_nothing_is_noted_for_a_report_to_its_maker(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    # Without the switch the import leaves its session's file: the second source for what the switch stops.
    assert imported("import onnxruntime", theirs)
    assert imported("import index.model", ours) == []


def test_it_is_imported_in_one_place():
    root = Path(__file__).parents[2]
    importing = {
        str(path.relative_to(root))
        for folder in ("index", "service", "training", "benchmarks")
        for path in (root / folder).rglob("*.py")
        if "import onnxruntime" in path.read_text()
    }
    assert importing == {"index/onnx_runtime.py"}
