"""An ipykernel that chooses its own key and ports and announces them: writes the connection file itself, then serves.

The launcher becomes the kernel (exec), so whoever started it owns one process and not two.
"""

import argparse
import os
import secrets
import sys

from jupyter_client.connect import write_connection_file


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--connection-file", required=True)
    parser.add_argument("--signature-scheme", default="hmac-sha256")
    arguments = parser.parse_args()
    file, scheme = arguments.connection_file, arguments.signature_scheme
    # Whole under another name first: a reader never meets half a file.
    draft = f"{file}.draft"
    write_connection_file(draft, ip="127.0.0.1", transport="tcp", key=secrets.token_hex(32).encode(), signature_scheme=scheme)
    os.rename(draft, file)
    os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", "-f", file])


if __name__ == "__main__":
    main()
