"""What a full extract needs at most: `python -m tests.integration.extract_peak FOLDER SIZE …` takes two of each size.

A program, since the peak of a process is that of all it ever ran. Writes the peak in KiB after each size.
"""

import asyncio
import resource
import sys
from pathlib import Path

from tests.unit.stages.extract_city import City, row

NAME = "名" * 700


async def take(folder: Path, size: int) -> int:
    """Compare an extract of `size` residents with one in which the first is missing."""
    city = City(folder, publishes=False, on="on_change=report on_new=report")
    city.write("ZENKEN_1.csv", *(row(str(number), 1, NAME, "大日町1-1") for number in range(size)))
    city.write("ZENKEN_2.csv", *(row(str(number), 1, NAME, "大日町1-1") for number in range(1, size)))
    counts = await city.drain()
    city.close()
    assert counts.tally.rows == 2 * size - 1
    assert city.reviews() == [("waiting", "0", "missing")]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    for size in map(int, sys.argv[2:]):
        sys.stdout.write(f"{asyncio.run(take(Path(sys.argv[1]) / str(size), size))}\n")
