"""python -m book [--out out/book]"""

import argparse
import sys
from pathlib import Path

from course.book.build import BookError, build
from mnist_lib.support.paths import OUT


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m book", description="The course as one static site.")
    parser.add_argument("--out", type=Path, default=OUT / "book", help="into this folder (default out/book)")
    out = parser.parse_args(arguments).out.expanduser().resolve()
    try:
        build(out)
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Open {out / 'index.html'} in a browser.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
