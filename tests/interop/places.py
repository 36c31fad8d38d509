"""Where imports go to: a bucket of a real server, or a folder; and what is visible there."""

from readers import check_files, download_as_kserve, manifest, objects, unfinished_uploads
from support import MIB, folder_bytes


class Place:
    """A store with a registry of its own. Without a server it is a folder."""

    def __init__(self, server, top):
        self.server, self.top, self.count = server, top, 0
        self.bucket = None
        self.fresh()

    def fresh(self):
        """A new, empty store; a registry remembers where a version is, so that one is new, too."""
        self.count += 1
        if self.server:
            if self.bucket:
                self.server.drop_bucket(self.bucket)
            self.bucket = self.server.new_bucket()
            self.uri = f"s3://{self.bucket}"
        else:
            self.folder = self.top / f"store-{self.count}"
            self.folder.mkdir()
            self.uri = f"dir:{self.folder}"
        self.settings = {**(self.server.settings() if self.server else {}),
                         "DRAY_REGISTRY": f"sqlite:{self.top}/registry-{self.count}.db"}

    def record(self, name, version="1.0.0"):
        """Something true if the release exists."""
        if self.server:
            return manifest(self.server, self.bucket, "", name, version)
        path = self.folder / f".dray/releases/{name}/{version}.json"
        return path.exists() or None

    def read(self, name, version="1.0.0"):
        """path → bytes of what is visible of a release."""
        if self.server:
            return download_as_kserve(
                self.server, f"s3://{self.bucket}/model-data/{name}/{version}/")
        folder = self.folder / "model-data" / name / version
        return folder_bytes(folder) if folder.exists() else {}

    def leftovers(self):
        """Journals and unfinished uploads."""
        if self.server:
            return (list(objects(self.server, self.bucket, ".dray/transfers/"))
                    + unfinished_uploads(self.server, self.bucket))
        files = [path for path in (self.folder / ".dray").rglob("*") if path.is_file()]
        # What is small and temporary may be of a journal that was being replaced; it is swept later.
        return [path for path in files if "transfers" in path.parts
                or ("tmp" in path.parts and path.stat().st_size > MIB)]


def check_state(place, repo, name="llama"):
    """What is visible is right, and all of it is there if the release says that it exists."""
    got = place.read(name)
    for path, data in got.items():
        if data:
            assert data == repo.files[path].data, f"{path} is visible with wrong bytes"
    if place.record(name):
        check_files(got, repo, repo.files)
