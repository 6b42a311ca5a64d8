# %% [markdown]
# # From alerts to a field trip
#
# On Monday a county receives a package. Here we make the part of it that goes into the
# hills: which site first and why, in which order to drive, how to find each place on
# whatever device is at hand, and what to bring back.
#
# The demo lies in Romania, with invented licences; nobody should drive there.

# %%
import io
import math
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
from shapely import Point

from rsmonitor.io.deliver.field.pack import write_field_pack
from rsmonitor.io.deliver.field.visits import plan_of
from rsmonitor.io.deliver.pictures.chip_images import chip_png
from rsmonitor.stages.coordinates import dms, gauss_krueger, web_map_point
from rsmonitor.wiring import demo_settings
from rsmonitor.wiring.packages import Weekly
from rsmonitor.wiring.reports import books_of

OUT = Path(os.environ.get("RSMONITOR_DEMO_OUT", "../demo-out"))
if not (OUT / "alerts.geojson").is_file():
    raise SystemExit(f"{OUT} holds no demo: run `make demo` first")
books = books_of((demo_settings(OUT),))
(whole,) = Weekly(books).packages()  # one a county; the demo has one
print(whole.area.name_en, whole.week, f"{len(whole.dossiers)} sites")

# %% [markdown]
# ## Which first
#
# A day has room for ten. The order of attention is not that of size: each site comes
# with its reasons, the weightiest first, so that whoever disagrees knows with what.

# %%
package = replace(whole, dossiers=whole.dossiers[:10])
for dossier in package.dossiers[:5]:
    print(f"{dossier.place}. {dossier.short_name} ({dossier.news})")
    print(*(f"     {reason.en}" for reason in dossier.reasons), sep="\n")

# %% [markdown]
# ## What it looks like
#
# The first site: the newest look before the change, the newest after it, and when each
# pixel changed (dark early, bright late). Pixels are 10 m. Hatched is what the look did
# not show.

# %%
first = package.dossiers[0]
outline = first.alert.site.latest.disturbance.geometry
figure, axes = plt.subplots(1, 3, figsize=(14, 5), layout="constrained")
for axis, chip in zip(axes, first.chips, strict=False):
    axis.imshow(plt.imread(io.BytesIO(chip_png(chip, outline))))
    axis.set_title(f"{chip.role.value}: {chip.days[0]}")
    axis.axis("off")
plt.show()
print("On site:", *(f"- {question.en}" for question in first.look_for), sep="\n")

# %% [markdown]
# ## In which order
#
# The shortest round in straight lines. Roads are not known here and valleys bend them,
# so the round says what lies near what, and a person decides the way.

# %%
plan = plan_of(package)
print(*(remark.en for remark in plan.remarks), sep="\n")
stops = [visit.dossier.point for visit in plan.visits]
figure, axis = plt.subplots(figsize=(7, 5.6), layout="constrained")
axis.plot([p.x for p in stops + stops[:1]], [p.y for p in stops + stops[:1]], "o-")
for visit, stop in zip(plan.visits, stops, strict=True):
    label = f"{visit.number}  {visit.name}"
    axis.annotate(label, (stop.x, stop.y), (6, 5), textcoords="offset points")
axis.set(title="the round", xlabel="longitude", ylabel="latitude",
         aspect=1 / math.cos(math.radians(stops[0].y)))
axis.margins(x=0.2)
axis.ticklabel_format(useOffset=False)
plt.show()

# %% [markdown]
# ## Where exactly
#
# Decimal degrees for a phone, degrees and minutes for a form. Two notations exist in
# China alone, and the demo has neither: the zones of three degrees of CGCS2000, in
# which the bureaus draw, and GCJ-02, by which web maps shift everything some hundred
# metres. So a point in Xunwu county shows them. Mixing them up means standing on the
# wrong hill.

# %%
visit = plan.visits[0]
print(visit.name, visit.latitude, visit.longitude, visit.dms_latitude,
      visit.dms_longitude, visit.grid, visit.web_map)

xunwu = Point(115.65, 24.95)
grid, shifted = gauss_krueger(xunwu), web_map_point(xunwu, ["360734"])
print(f"WGS 84      {xunwu.y:.6f} {xunwu.x:.6f}")
print(f"            {dms(xunwu.y, 'NS')} {dms(xunwu.x, 'EW')}")
print(f"EPSG:{grid.epsg}   X {grid.northing_m:.1f}  Y {grid.easting_m:.1f}")
print(f"GCJ-02      {shifted.y:.6f} {shifted.x:.6f}")

# %% [markdown]
# ## The pack
#
# Sheets to print, a map for a phone without network, a table to be filled in and
# brought back, and points for a receiver. Each opens alone. The same package gives the
# same bytes.

# %%
folder = Path(tempfile.mkdtemp()) / "field"
write_field_pack(folder, package)
for path in sorted(folder.iterdir()):
    print(f"{path.stat().st_size / 1024:8.0f} KiB  {path.name}")
print((folder / "sites.csv").read_text("utf-8-sig").splitlines()[0])

# %% [markdown]
# What comes back, the filled-in `3-sites.xlsx`, goes in with `rsmonitor triage import`,
# and the next week's order of attention knows it.
