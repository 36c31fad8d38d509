"""Makes archives.txt: small archives of other programs, as text that the unit tests read.

    python3 make.py [BSDTAR]        # GNU tar 1.34, Python 3.11, bsdtar (libarchive) 3.6.2

In the text, {N} stands for N zero bytes, {N*C} for N times the character C, and {xHH} for a byte
that is not printable; line breaks mean nothing.
"""

import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile

MTIME = 1_700_000_000
LONG_FOLDER = "models/" + "f" * 90
LONG = LONG_FOLDER + "/" + "n" * 60 + ".txt"  # fits ustar's prefix and name
LONGER = "models/" + "d" * 120 + "/" + "e" * 180  # 308 bytes, fits GNU and PAX only
UTF8 = "models/Größe-模型.txt"
GNU = ["tar", "--numeric-owner", "--owner=0", "--group=0", f"--mtime=@{MTIME}", "--no-recursion",
       "--blocking-factor=1", "-cf", "-"]
PAX_NAMES = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"


def text_of(data):
    out = []
    for match in re.finditer(rb"\0+|([a-z])\1{7,}|[^\0]", data, re.DOTALL):
        piece = match.group()
        if piece[0] == 0:
            out.append("{%d}" % len(piece))
        elif len(piece) > 1:
            out.append("{%d*%c}" % (len(piece), piece[0]))
        elif 0x20 < piece[0] < 0x7F and piece not in b"{}":
            out.append(piece.decode())
        else:
            out.append("{x%02x}" % piece[0])
    lines = [""]
    for token in out:
        if len(lines[-1]) + len(token) > 100:
            lines.append("")
        lines[-1] += token
    return "\n".join(lines) + "\n"


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def tree():
    """The files that most archives hold."""
    write("models/config.json", b'{"a":1}')
    write("models/empty", b"")
    write("models/weights.bin", b"w" * 600)
    write(LONG, b"long")
    write(LONGER, b"longer")
    write(UTF8, b"utf8")
    os.symlink("config.json", "models/link")
    os.link("models/config.json", "models/hard")
    os.symlink(LONGER[len("models/"):], "models/longlink")
    os.mkfifo("models/pipe")
    with open("sparse", "wb") as file:
        for offset in (0, 65536, 131072):
            file.seek(offset)
            file.write(b"s" * 512)
        file.truncate(262144)
    for folder, _, files in os.walk("."):
        for name in [".", *files]:
            path = os.path.join(folder, name)
            os.utime(path, (MTIME, MTIME), follow_symlinks=False)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.path.isdir(path) else 0o644)


SHORT = ["models", "models/config.json", "models/empty", "models/hard", "models/link",
         "models/pipe", "models/weights.bin"]


def of_program(command, names):
    return subprocess.run([*command, *names], check=True, capture_output=True).stdout


def of_python(form, names, **settings):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, **settings) as archive:
        for name in names:
            info = archive.gettarinfo(name)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            with open(name, "rb") if info.isreg() else io.BytesIO() as data:
                archive.addfile(info, data)
    return out.getvalue()


def large(form):
    """Headers of 9 GiB, without the data."""
    info = tarfile.TarInfo("models/large.bin")
    info.size, info.mtime = 9 << 30, MTIME
    return info.tobuf(form, "utf-8", "surrogateescape")


def archives(bsdtar):
    middle, all_names = [*SHORT, LONG], [*SHORT, LONG, LONGER, "models/longlink", UTF8]
    yield "gnu_v7", of_program([*GNU, "--format=v7"], SHORT[:5] + SHORT[6:])
    yield "gnu_ustar", of_program([*GNU, "--format=ustar"], middle)
    yield "gnu_oldgnu", of_program([*GNU, "--format=oldgnu"], all_names)
    yield "gnu_gnu", of_program([*GNU, "--format=gnu"], all_names)
    yield "gnu_posix", of_program([*GNU, "--format=posix", PAX_NAMES], all_names)
    yield "gnu_dot", of_program([*GNU, "--format=gnu"], ["./models", "./models/config.json"])
    yield "gnu_absolute", of_program(
        [*GNU, "--format=gnu", "-P", "--transform=flags=r;s,^,/,"], ["models/config.json"])
    yield "python_ustar", of_python(tarfile.USTAR_FORMAT, middle)
    yield "python_gnu", of_python(tarfile.GNU_FORMAT, all_names)
    yield "python_pax", of_python(tarfile.PAX_FORMAT, all_names)
    yield "python_global", of_python(tarfile.PAX_FORMAT, SHORT, pax_headers={"comment": "all"})
    yield "python_large_gnu", large(tarfile.GNU_FORMAT)
    yield "python_large_pax", large(tarfile.PAX_FORMAT)
    for form, names in (("v7", SHORT[:5] + SHORT[6:]), ("ustar", middle), ("gnutar", all_names),
                        ("pax", all_names)):
        yield f"bsd_{form}", of_program(
            [bsdtar, "--format", form, "--uid=0", "--gid=0", "--uname=", "--gname=", "-n", "-b",
             "1", "-cf", "-"], names)
    sparse = [*GNU, "-S"]
    yield "sparse_gnu", of_program([*sparse, "--format=gnu"], ["sparse"])
    for version in ("0.0", "0.1", "1.0"):
        yield f"sparse_pax_{version}", of_program(
            [*sparse, "--format=posix", PAX_NAMES, f"--sparse-version={version}"], ["sparse"])
    # What the writer of dray must give, byte for byte.
    layer = ["models", "models/config.json", LONGER[:LONGER.rindex("/")], LONGER, LONG_FOLDER, LONG,
             "models/weights.bin", UTF8]
    layer.sort(key=lambda name: (name + "/" if os.path.isdir(name) else name).encode())
    yield "layer", of_program([*GNU, "--format=gnu"], layer)
    yield "layer_python", of_python(tarfile.GNU_FORMAT,
                                    ["models", "models/config.json", "models/empty"])


def main():
    bsdtar = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else "bsdtar"
    os.environ["LC_ALL"] = "C.UTF-8"
    output = os.path.join(os.path.dirname(os.path.abspath(__file__)), "archives.txt")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        tree()
        texts = [f"== {name}\n{text_of(data)}" for name, data in archives(bsdtar)]
    with open(output, "w", encoding="ascii") as file:
        file.write("".join(texts))


if __name__ == "__main__":
    main()
