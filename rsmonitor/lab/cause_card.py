"""The card of the model `cause`: what it was trained on, where it works, where not."""

from collections.abc import Mapping
from typing import Any, Final

from rsmonitor.records.model import ModelMetadata

TASKS: Final[Mapping[str, str]] = {
    "pairs_2019": "pairs, first image of 2019",
    "pairs_2019_below_1_ha": "the same, below 1 ha",
    "pairs_2019_from_1_ha": "the same, 1 ha and more",
    "pairs_2019_where_forest_was": "the same, NDVI before above 0.6",
    "pairs_2019_and_fellings": "pairs of 2019 and all fellings",
    "pairs_of_all_years": "pairs of 2018 (all mining) and 2019",
}
"""What was compared, in words."""


def card(metadata: ModelMetadata) -> str:
    """
    Write the model card.

    Parameters
    ----------
    metadata : ModelMetadata
        With the measures of `rsmonitor.lab.cause_judging.measures`.

    Returns
    -------
    str
        Markdown; every number is from the metadata.
    """
    told = metadata.metrics
    parts = [
        f"# {metadata.name}/{metadata.version}\n",
        (
            f"It {metadata.task}. A linear model (multinomial logistic regression on "
            f"{len(metadata.feature_order)} standardised features), trained so that "
            "every cause counts alike.\n"
        ),
        restriction(metadata),
        "## What it must not be trusted with\n",
        "\n".join(f"- {each}" for each in metadata.limits) + "\n",
        "## Trained on\n",
        trained_on(metadata),
        _objects(told["objects"]),
        "## Mining against other change, on places that did not train\n",
        (
            f"{metadata.folds}. AUC with 95 % intervals over places drawn again; "
            "`rules-1` was asked about the same objects. The choice of features was "
            "made with these folds in view, so the numbers flatter the model a "
            "little.\n"
        ),
        comparison(told["digging_against_others"]),
        verdict(told["digging_against_others"]) + "\n",
        "## What each label was called\n",
        _shares({name: {"called": row} for name, row in told["confusion"].items()}),
        "## What mining was called\n",
        _shares(told["mining_called"]),
        "## Calibration of the probability of digging\n",
        _calibration(told["calibration_of_digging"]),
        "## By size (pairs of 2019; 100 pixels are 1 ha)\n",
        _sizes(told["by_pixels"]),
        "## By clear looks (fellings of the series)\n",
        _looks(told["felling_by_clear_looks"]),
        "## A data set left out\n",
        _shares(told["sources_left_out"]),
        "## A country left out\n",
        _countries(told["countries_left_out"]),
        "## A year left out\n",
        _shares(told["years"]),
        "## A cause left out: is it taken for something unseen?\n",
        _unseen(told["causes_never_seen"]),
        "## Make it again\n",
        f"```\n{metadata.retrain}\n```\n",
        "Trained with "
        + ", ".join(f"{k} {v}" for k, v in metadata.software.items())
        + f". SHA-256 of the model: `{metadata.sha256}`.\n",
    ]
    return "\n".join(parts)


def verdict(compared: Mapping[str, Mapping[str, Any]]) -> str:
    """
    Say in words whether the model is better than the rules.

    Parameters
    ----------
    compared : Mapping
        ``digging_against_others`` of the measures.

    Returns
    -------
    str
        One paragraph: better only where the interval of the gain lies above zero.
    """
    better = [TASKS[n] for n, row in compared.items() if row["gain_interval"][0] > 0]
    level = [TASKS[n] for n, row in compared.items() if row["gain_interval"][0] <= 0]
    told = f"Better than the rules by more than chance: {'; '.join(better) or 'never'}."
    if level or not better:
        told += (
            f" Not shown to be better: {'; '.join(level)}. So it is not the "
            'default, and is chosen with `[classify] model = "cause/1"`.'
        )
    return told


def restriction(metadata: ModelMetadata) -> str:
    """
    Say whether a model may be passed on.

    Parameters
    ----------
    metadata : ModelMetadata
        Of the model.

    Returns
    -------
    str
        One paragraph.
    """
    without = [each.name for each in metadata.data if not each.licensed]
    if not without:
        return "All its data lets everybody train and pass on.\n"
    return (
        f"**Restricted**: {', '.join(without)} has no licence. Without it there is no "
        "example of mining and no model: give other pairs in its form, with a licence, "
        "or use the rules.\n"
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Write a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def trained_on(metadata: ModelMetadata) -> str:
    """
    List the files that a model was trained on.

    Parameters
    ----------
    metadata : ModelMetadata
        Of the model.

    Returns
    -------
    str
        A table.
    """
    return _table(
        ["file", "objects", "mining", "source", "licence"],
        [
            [
                each.name,
                str(each.samples),
                str(each.positives),
                each.source,
                each.licence,
            ]
            for each in metadata.data
        ],
    )


def _objects(counts: Mapping[str, Mapping[str, Any]]) -> str:
    """List labels and what they became."""
    return _table(
        ["label of its authors", "cause", "objects", "trains"],
        [
            [name, row["cause"], str(row["objects"]), "yes" if row["trained"] else "no"]
            for name, row in counts.items()
        ],
    )


def _range(interval: list[float]) -> str:
    """Write an interval."""
    return f"{interval[0]:.2f} to {interval[1]:.2f}"


def comparison(compared: Mapping[str, Mapping[str, Any]]) -> str:
    """
    Lay model and rules side by side.

    Parameters
    ----------
    compared : Mapping
        ``digging_against_others`` of the measures.

    Returns
    -------
    str
        A table.
    """
    return _table(
        ["objects", "n (mining)", "places", "model", "rules-1", "gain"],
        [
            [
                TASKS[name],
                f"{row['objects']} ({row['mining']})",
                str(row["places"]),
                f"{row['auc']:.2f} ({_range(row['auc_interval'])})",
                f"{row['auc_rules']:.2f} ({_range(row['auc_rules_interval'])})",
                f"{row['gain']:+.2f} ({_range(row['gain_interval'])})",
            ]
            for name, row in compared.items()
        ],
    )


def _shares(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """List what objects were called."""
    if not rows:
        return "Not measured: too little is left to train on.\n"
    return _table(
        ["objects", "n", "called"],
        [
            [name, str(row.get("objects", "")), _called(row["called"])]
            for name, row in rows.items()
        ],
    )


def _called(shares: Mapping[str, float]) -> str:
    """Write shares, the largest first."""
    ranked = sorted(shares.items(), key=lambda each: -each[1])
    return ", ".join(f"{name} {share:.0%}" for name, share in ranked)


def _calibration(told: Mapping[str, Mapping[str, Any]]) -> str:
    """List Brier score and calibration error."""
    return _table(
        ["objects", "Brier score", "calibration error"],
        [
            [name.replace("_", " "), f"{row['brier']:.3f}", f"{row['ece']:.3f}"]
            for name, row in told.items()
        ],
    )


def _sizes(rows: list[Mapping[str, Any]]) -> str:
    """List the AUC by size."""
    return _table(
        ["pixels", "n (mining)", "AUC", "AUC of rules-1"],
        [
            [
                f"{row['from']} and more, below {row['below']}",
                f"{row['objects']} ({row['mining']})",
                _number(row["auc"]),
                _number(row["auc_rules"]),
            ]
            for row in rows
        ],
    )


def _looks(rows: list[Mapping[str, Any]]) -> str:
    """List shares by clear looks."""
    return _table(
        ["clear looks", "n", "called felling"],
        [
            [
                f"{row['from']} and more, below {row['below']}",
                str(row["objects"]),
                _number(row["called_felling"]),
            ]
            for row in rows
        ],
    )


def _countries(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """List what countries were called that did not train."""
    return _table(
        ["country (coarse borders)", "n (mining)", "AUC", "called"],
        [
            [
                name,
                f"{row['objects']} ({row['mining']})",
                _number(row["auc"]),
                _called(row["called"]),
            ]
            for name, row in rows.items()
        ],
    )


def _unseen(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """List how often an untrained cause is noticed."""
    return _table(
        ["cause left out", "n", "unlike anything seen", "called"],
        [
            [
                name,
                str(row["objects"]),
                f"{row['unlike_anything_seen']:.0%}",
                _called(row["called"]),
            ]
            for name, row in rows.items()
        ],
    )


def _number(value: float | None) -> str:
    """Write a number that may not have been measured."""
    return "not measured" if value is None else f"{value:.2f}"
