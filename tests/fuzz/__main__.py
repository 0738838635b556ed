"""`python -m tests.fuzz 1000000 --seed 7`: a campaign. `--first N` with 1 input sends again what a finding names."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from tests.fuzz.campaign import Report, campaign


async def _run(inputs: int, seed: int, first: int) -> Report:
    async with campaign() as one:
        return await one.run(inputs, seed=seed, first=first)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("inputs", type=int, help="how many mutants are sent")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another campaign")
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutant")
    given = parser.parse_args()
    began, worked = time.monotonic(), time.process_time()
    report = asyncio.run(_run(given.inputs, given.seed, given.first))
    seconds, cpu = time.monotonic() - began, time.process_time() - worked
    print(f"{report.inputs} inputs in {seconds:.0f} s ({report.inputs / cpu:.0f} a second of CPU), seed {given.seed}")
    print(f"{report.accepted} taken; " + ", ".join(f"{count} x {name}" for name, count in report.answers.most_common()))
    print(f"{len(report.findings)} broken promises", *report.findings, sep="\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
