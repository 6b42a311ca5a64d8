# %% [markdown]
# # A tour of the demo
#
# `make demo` replays two and a half years of Sentinel-2 over one square kilometre of
# Romanian forest, week by week, as an office would live them. Here is what it leaves:
# alerts, the reasons of one, the evidence, the life of a site, what was *not* seen, and
# the chain that makes later changes visible.
#
# The forest was felled, not mined, and the licences are invented: no sample of an ionic
# rare-earth mine is public. This shows how the system speaks, not how well it knows
# mines. Every alert is a clue for people, never a verdict.

# %%
import os
import shutil
import sqlite3
import tempfile
from itertools import islice
from pathlib import Path

import matplotlib.pyplot as plt
import xarray as xr

from rsmonitor.io.deliver.kept_run import read_coverage
from rsmonitor.wiring import demo_settings
from rsmonitor.wiring.alerts import list_lines, show_lines
from rsmonitor.wiring.reports import books_of
from rsmonitor.wiring.sites import draw_timeline, followed_sites
from rsmonitor.wiring.verification import verify_ledger

OUT = Path(os.environ.get("RSMONITOR_DEMO_OUT", "../demo-out"))
if not (OUT / "alerts.geojson").is_file():
    raise SystemExit(f"{OUT} holds no demo: run `make demo` first")
books = books_of((demo_settings(OUT),))
(book,) = books.books  # one district
print(f"{book.settings.district.name_en}: {len(book.runs)} weekly runs, the last of")
print(f"{book.runs[-1].week}; {len(book.alerts)} alerts stand")

# %% [markdown]
# ## The alerts
#
# As `rsmonitor alerts list configs/demo.toml` has them: rank, id, short name for a GPS
# receiver, tier of the evidence, how sure the verdict is, area (15 mu are a hectare),
# the first day that showed the change, county (none here), and the suspicion.

# %%
print(*islice(list_lines(books), 8), sep="\n")
plt.figure(figsize=(15, 6.8), layout="constrained")
plt.imshow(plt.imread(OUT / "map.png"))
plt.axis("off")
plt.show()

# %% [markdown]
# ## One alert, with its trace
#
# An alert must say why: what was seen and when, the verdict with every step that led to
# it (`act` to `basis`), the scenes and versions behind it, what was said before. Note
# what it does *not* claim: the cause is open, so that it is mining is only possible.

# %%
print(*show_lines(books, books.alerts[0].alert_id), sep="\n")

# %% [markdown]
# ## The evidence
#
# `evidence.nc` holds every pixel, not only alerts. The rim of a clearing has evidence
# too, but outlines begin where half a pixel changed.

# %%
evidence = xr.open_dataset(OUT / "evidence.nc").load()
changed = evidence.first_seen.dt.year + evidence.first_seen.dt.dayofyear / 365.25
figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
evidence.tier.plot(ax=axes[0], levels=[-0.5, 0.5, 1.5, 2.5, 3.5], cmap="Greys",
                   cbar_kwargs={"ticks": [0, 1, 2, 3], "label": "0 none to 3 high"})
changed.plot(ax=axes[1],
             cbar_kwargs={"ticks": [2019, 2020], "format": "%d", "label": "year"})
evidence.n_clear.plot(ax=axes[2], cmap="cividis", cbar_kwargs={"label": "looks"})
titles = ("tier", "first seen to change", "clear looks since monitoring began")
for axis, title in zip(axes, titles, strict=True):
    axis.set(title=title, aspect="equal", xticks=[], yticks=[], xlabel="", ylabel="")
plt.show()

# %% [markdown]
# ## The life of one site
#
# An alert is about a site, and a site lives on: it grows, rests, greens, is opened
# again. This is the one with the most chapters. Dots are single looks; between them
# nobody saw the site, which is not the same as unchanged.

# %%
longest = max(followed_sites(book.settings), key=lambda each: len(each.life.periods))
drawing = Path(tempfile.mkdtemp()) / "site.png"
draw_timeline(book.settings, longest.site.site_id, drawing)
plt.figure(figsize=(14, 8), layout="constrained")
plt.imshow(plt.imread(drawing))
plt.axis("off")
plt.show()

# %% [markdown]
# ## What was not seen
#
# A week without alerts means nothing where nobody looked. So each run says which share
# of the district it saw, and how old the last clear look is.

# %%
for folder in sorted((OUT / "runs").glob("demo-romania-*")):
    for seen in read_coverage(folder):
        print(f"{seen.week}: {seen.share_seen:4.0%} seen, {seen.scenes_used} scenes, "
              f"last clear look {seen.median_days_since_clear:.0f} days ago (median)")
coverage = xr.open_dataset(OUT / "coverage.nc").load()
plt.figure(figsize=(5.5, 4.6), layout="constrained")
age = coverage.days_since_clear.plot(cmap="YlOrBr", cbar_kwargs={"label": "days"})
age.axes.set(title=f"age of the last clear look, {book.runs[-1].week}", aspect="equal",
             xticks=[], yticks=[], xlabel="", ylabel="")
plt.show()

# %% [markdown]
# ## Can it be trusted later?
#
# All that was said is a chain of events, each with the hash of the one before. The
# chain is held against itself and against the heads that were published with the runs.
# A check that cannot fail proves nothing: so we then take a *copy*, lift the lock that
# refuses changes, backdate one event, and ask again.

# %%
found = verify_ledger([book.settings])
print(f"{found.events} events and {found.heads} published heads: {found.problems=}")

forged = Path(tempfile.mkdtemp())
(forged / "work").mkdir()
shutil.copy(OUT / "work" / "ledger.sqlite", forged / "work")
database = sqlite3.connect(forged / "work" / "ledger.sqlite")
with database:
    database.execute("DROP TRIGGER event_fixed")
    database.execute("UPDATE event SET at = '2018-07-01T00:00:00Z' WHERE seq = 100")
database.close()
print(*verify_ledger([demo_settings(forged)]).problems, sep="\n")

# %% [markdown]
# Next: [judging.py](judging.py) asks how good the map is,
# [field_trip.py](field_trip.py) what an inspector takes along,
# [how_small.py](how_small.py) what cannot be seen at all.
