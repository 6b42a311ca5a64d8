# %% [markdown]
# # Judging the map, judging a model, training it again
#
# How good are the alerts? A count of alerts that turned out right tells half of it: the
# mines that were missed lie where no alert is. So points are drawn by chance, in the
# alerts of each tier *and* in the watched ground without any, and people judge each
# point without knowing which it was. Each point counts for the ground that it stands
# for.

# %%
import os
import tempfile
from pathlib import Path

import geopandas as gpd
import matplotlib.pyplot as plt
import xarray as xr

from rsmonitor.io.stores.models import find_model, read_metadata
from rsmonitor.lab.datasets import Places, load_romania
from rsmonitor.lab.map_accuracy import judge_sample, judged_lines
from rsmonitor.lab.map_sample import CANNOT_TELL, KEY, SHEET, UNCHANGED, draw_sample
from rsmonitor.lab.pair_assessment import assess
from rsmonitor.lab.series import Truth
from rsmonitor.wiring import demo_settings
from rsmonitor.wiring.reports import books_of

OUT = Path(os.environ.get("RSMONITOR_DEMO_OUT", "../demo-out"))
if not (OUT / "alerts.geojson").is_file():
    raise SystemExit(f"{OUT} holds no demo: run `make demo` first")
books = books_of((demo_settings(OUT),))

# %% [markdown]
# ## Draw
#
# As `rsmonitor assess map draw` does. The sheet is a GeoPackage for QGIS with one empty
# column, `reference`; the key with the strata stays with whoever drew the sample.

# %%
folder = Path(tempfile.mkdtemp()) / "sample"
drawn = draw_sample(books, folder, per_stratum=50, seed=1)
for stratum, points in drawn.points.items():
    print(f"{stratum}: {points} points for {drawn.area_m2[stratum] / 1e4:.2f} ha")

# %% [markdown]
# ## Judge
#
# **A stand-in for people.** Nobody was in that forest. A retrospective reference map
# answers instead (`tests/reference`: another method, another author, the same images);
# it is a second opinion, not the truth. At the mixed edges of openings, and where the
# ground was opened before the watch began, it does not decide, as a person might not:
# those points are not counted, and without the edges the rest looks better than it is.

# %%
ANSWERS = {Truth.UNCHANGED: UNCHANGED, Truth.OPENED: "clear_cut",
           Truth.NOT_COUNTED: CANNOT_TELL}
grid = xr.open_dataset(OUT / "evidence.nc")  # the same pixels as the reference
truth = xr.DataArray(load_romania(Places()).truth, coords=[grid.y, grid.x])
sheet = gpd.read_file(folder / SHEET).to_crs(grid.spatial_ref.attrs["crs_wkt"])
middle = {axis: xr.DataArray(getattr(sheet.centroid, axis)) for axis in "xy"}
sheet["reference"] = [ANSWERS[t] for t in truth.sel(middle, method="nearest").data]
filled = folder / "filled.csv"  # a GeoPackage or a table, as people like it
sheet[["point_id", "reference"]].to_csv(filled, index=False)

judged = judge_sample(filled, folder / KEY)
print(*judged_lines(judged), sep="\n")

# %% [markdown]
# *User's accuracy* is the share of alerted ground that changed: of 100 visits, how many
# are not for nothing. *Producer's accuracy* is the share of changed ground that has an
# alert. The second is always less sure: few points stand for all the quiet ground. And
# of mining nothing could be found right here: the reference knows felling only.

# %%
change = judged.change
shown = {"precision\n(user's)": change.users["changed"],
         "found\n(producer's)": change.producers["changed"], "overall": change.overall}
figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, each in shown.items():
    axis.errorbar(name, each.value, [[each.value - each.low], [each.high - each.value]],
                  fmt="o", color="#0072B2", capsize=4)
axis.set(ylim=(0, 1.02), ylabel="share of ground, 95 %",
         title="alerts as such, by the sample", xlim=(-0.5, 2.5))
axis.grid(axis="y", alpha=0.4)
plt.show()

# %% [markdown]
# ## A model, and what is known of it
#
# `pair-screen` looks at two composites of one place and says how likely a mine emerged
# between them. It never saw a rare-earth mine: its pairs are of the Amazon basin. The
# metadata beside the model says how it was measured: in folds of whole places, because
# a random split puts neighbours on both sides and flatters.

# %%
model = read_metadata(find_model("pair-screen"))
metrics = model.metrics
print(model.model_id, "-", model.task)
print("AUC", metrics["auc"], metrics["auc_interval"], "in", model.folds)
print("a random split would have shown", metrics["auc_without_blocks"])
print(*(f"- {limit}" for limit in model.limits), sep="\n")

figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
curve = metrics["learning_curve"]
axis.plot([step["pairs"] for step in curve], [step["auc"] for step in curve], "o-")
axis.set(xlabel="pairs that trained it", ylabel="AUC on places it did not see",
         ylim=(0.5, 1), title="what more pairs bring")
axis.grid(alpha=0.4)
plt.show()

# %% [markdown]
# ## Training it again
#
# The curve flattens: more pairs of the same rivers would bring little. What pairs of
# one's own district would bring, nobody has measured yet; measure before and after.
# Training takes minutes, so it is not done here. The command stands in the metadata;
# the same data and versions give the same bytes. A new version gets its own folder,
# with its own measures and limits, and the old one stays.

# %%
print(model.retrain)

# %% [markdown]
# The pairs themselves are not in the repository: their author states no licence. Where
# `RSMONITOR_TEST_DATA` names the folder of optional data, here are a few, before and
# after. The model was trained on these, so that it is right here proves nothing. Look
# rather at the labels: some places were mined before the first look already.

# %%
data = Path(os.environ.get("RSMONITOR_TEST_DATA", "nowhere"))
file = data / "s2_mining_pairs" / "pairs_train_val.nc"
if file.is_file():
    few = xr.open_dataset(file).isel(sample=slice(3, None, 105)).load()
    few.to_netcdf(folder / "few.nc")
    done = assess(folder / "few.nc", model="pair-screen")
    when = xr.DataArray(["before", "after"], dims="look", name="look")
    looks = xr.concat([few.t0, few.t1], when).sel(band=["B04", "B03", "B02"]) / 3000
    panels = looks.clip(0, 1).plot.imshow(row="look", col="sample", size=2.2)
    for axis in panels.axs.flat:
        axis.set(xticks=[], yticks=[], xlabel="", ylabel="", aspect="equal")
    titles = zip(panels.axs[0], done.category, done.probability, strict=True)
    for axis, name, own in titles:
        axis.set_title(f"{name}\nmodel: {own:.2f}", fontsize=9)
    panels.fig.set_layout_engine("constrained")
    plt.show()
else:
    print(f"not run: the optional data is not there ({file})")
