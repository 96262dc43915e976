"""Builds the C++ client against the C++ library that is inside Paddle Lite's Python wheel."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build(folder, wheel):
    """Make of `folder` one with the client, out/lite_client, linked with the library of the `wheel`, and with lib/."""
    for name in ("include", "lib"):
        (folder / name).mkdir()
    shutil.copy(ROOT / "tests/deploy/lite_abi/paddle_api.h", folder / "include")
    for name in ("libpaddle_lite.so", "liblite_pybind.so"):  # to link with; as the library names itself
        (folder / "lib" / name).symlink_to(wheel / "lite.so")
    no_python(folder, wheel)
    built(["cmake", "-S", str(ROOT / "deploy/lite/cpp"), "-B", str(folder / "out"),
           f"-DPADDLE_LITE_DIR={folder}",
           "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--unresolved-symbols=ignore-in-shared-libs"])  # fmt: skip
    built(["cmake", "--build", str(folder / "out"), "-j", "2"])


def no_python(folder, wheel):
    """A library with the names of Python's functions, which the wheel's library asks for and never calls here."""
    names = subprocess.run(["nm", "-D", str(wheel / "lite.so")], capture_output=True, text=True, check=True)
    wanted = [line.split()[-1] for line in names.stdout.splitlines() if " U " in line]
    source = "".join(f"char {name}[512];\n" for name in wanted if name.startswith(("Py", "_Py")))
    (folder / "names.c").write_text(source)
    built(["g++", "-shared", "-fPIC", "-x", "c", str(folder / "names.c"), "-o", str(folder / "lib/names.so")])


def built(command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
