"""What the hub writes about residents is for the user it runs as alone."""

from hub.adapters import files
from hub.ledger.engine import Ledger


def test_files_and_folders_are_their_owners_alone(tmp_path):
    folder = tmp_path / "out" / "kokuho"
    files.make_folder(folder)
    files.write_durable(folder / "a.csv", b"x")
    files.os.close(files.open_locked(folder / "b.jsonl"))
    made = [folder.parent, folder, *folder.iterdir(), files.move_aside(folder / "a.csv")]
    assert not [path for path in made if path.exists() and path.stat().st_mode & 0o077]


def test_a_ledger_in_a_file_is_its_owners_alone(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/var/ledger.db")
    with ledger.write() as connection:
        connection.exec_driver_sql("CREATE TABLE a(b)")
    assert not [path for path in (tmp_path / "var").rglob("*") if path.stat().st_mode & 0o077]
    ledger.close()
