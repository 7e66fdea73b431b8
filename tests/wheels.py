"""Real wheels of made-up projects."""

import base64
import hashlib
import io
import zipfile


def wheel_of(project, version, requires=(), module=None):
    """Bytes of a wheel with one module, its metadata and a valid RECORD."""
    home = f"{project}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    files = {
        f"{project}/__init__.py": module or f"__version__ = {version!r}\n",
        f"{home}/METADATA": metadata,
        f"{home}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{name},sha256={_digest(text)},{len(text.encode())}" for name, text in files.items()]
    files[f"{home}/RECORD"] = "\n".join([*record, f"{home}/RECORD,,", ""])
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return raw.getvalue()


def _digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
