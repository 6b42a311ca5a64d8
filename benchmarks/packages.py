"""Writing the packages of a province: 500 alerts in 20 counties, time and memory.

    python -m benchmarks.packages DEMO_OUT

The alerts, images and licences are the demo's, real ones, dealt to 20 counties of two
prefectures with 25 alerts each; prefecture and province packages hold them all. What is
timed is everything that `rsmonitor deliver` writes, without reading scenes, which is
timed on the demo's own alerts beside it. Memory is the peak of the process after each
county: it must not grow.
"""

import argparse
import os
import resource
import tempfile
from dataclasses import replace
from pathlib import Path

from rsmonitor.records.case import Level
from rsmonitor.records.package import Area, Dossier, Package
from rsmonitor.wiring import demo_settings
from rsmonitor.wiring.deliver import write_package
from rsmonitor.wiring.packages import Weekly
from rsmonitor.wiring.reports import open_books

COUNTIES, EACH = 20, 25


def peak_mib() -> float:
    """
    Give the most memory that this process had so far.

    Returns
    -------
    float
        MiB.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_s() -> float:
    """
    Give the CPU time of this process and of those that it started.

    Returns
    -------
    float
        Seconds.
    """
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def county(package: Package, number: int) -> Package:
    """
    Deal alerts of the demo to a county.

    Parameters
    ----------
    package : Package
        The demo's.
    number : int
        Which county, from 0.

    Returns
    -------
    Package
        `EACH` alerts, a different choice for each county.
    """
    code = f"36{7 + number % 2:02d}{21 + number:02d}"
    known = package.dossiers
    chosen = [known[(number * 7 + i) % len(known)] for i in range(EACH)]
    area = Area(
        code=code,
        level=Level.COUNTY,
        name_zh=f"第{number + 1}县",
        name_en=f"{number + 1}",
    )
    return replace(package, area=area, dossiers=_numbered(chosen))


def above(packages: list[Package], code: str, level: Level) -> Package:
    """
    Join counties.

    Parameters
    ----------
    packages : list of Package
        Counties.
    code : str
        Beginning of their codes.
    level : Level
        Prefecture or province.

    Returns
    -------
    Package
        Theirs together, without images, as `Weekly` makes it.
    """
    mine = [p for p in packages if p.area.code.startswith(code)]
    dossiers = [replace(d, chips=()) for p in mine for d in p.dossiers]
    area = Area(code=code, level=level, name_zh=f"{code} 区域", name_en=code)
    figures = tuple(replace(p.counties[0], area=p.area) for p in mine)
    return replace(mine[0], area=area, dossiers=_numbered(dossiers), counties=figures)


def _numbered(dossiers: list[Dossier]) -> tuple[Dossier, ...]:
    """Count the places anew."""
    return tuple(replace(each, place=n) for n, each in enumerate(dossiers, start=1))


def main() -> int:
    """
    Run and print.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("demo_out", type=Path, help="what `rsmonitor demo` left")
    given = parser.parse_args()
    settings = demo_settings(given.demo_out)
    config = Path(settings.folder) / "demo.toml"
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "demo.toml"
        text = config.read_text(encoding="utf-8")
        copy.write_text(
            text.replace('"../demo-out', f'"{given.demo_out.absolute()}').replace(
                '"demo_licences', f'"{config.parent}/demo_licences'
            ),
            encoding="utf-8",
        )
        begun = cpu_s()
        demo = next(Weekly(open_books(copy)).packages())
        images = cpu_s() - begun
        print(
            f"reading {len(demo.dossiers)} alerts with their images: {images:.1f} s CPU"
        )
        counties = [county(demo, number) for number in range(COUNTIES)]
        everything = [
            *counties,
            above(counties, "3607", Level.PREFECTURE),
            above(counties, "3608", Level.PREFECTURE),
            above(counties, "36", Level.PROVINCE),
        ]
        out = Path(name) / "out"
        total = size = 0.0
        for package in everything:
            folder = out / package.area.code
            folder.mkdir(parents=True)
            begun = cpu_s()
            write_package(folder, package, settings)
            took = cpu_s() - begun
            written = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            total, size = total + took, size + written
            print(
                f"{package.area.code:7}{len(package.dossiers):5} alerts "
                f"{took:7.1f} s CPU {written / 2**20:7.1f} MiB, peak "
                f"{peak_mib():6.0f} MiB",
                flush=True,
            )
    print(
        f"{COUNTIES} counties, {COUNTIES * EACH} alerts: {total:.0f} s CPU, "
        f"{size / 2**20:.0f} MiB, peak {peak_mib():.0f} MiB"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
