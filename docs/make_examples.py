"""Write into the documents what their commands print: each console block is run, and its output put in place."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import examples


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for page in examples.pages():
            text = page.read_text()
            for block in examples.blocks(page, "console"):
                fresh = ""
                for command, _ in examples.commands(block):
                    code, output = examples.run(command, Path(folder))
                    print(f"{block.name}: {command} -> {code}")
                    fresh += f"$ {command}\n{output.strip(chr(10))}\n"
                text = text.replace(f"```console\n{block.text}```", f"```console\n{fresh}```")
            page.write_text(text)


if __name__ == "__main__":
    main()
