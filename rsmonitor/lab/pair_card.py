"""The card of a model: what it was trained on, where it works and where it does not."""

from collections.abc import Mapping, Sequence
from typing import Any

from rsmonitor.records.model import ModelMetadata


def card(metadata: ModelMetadata) -> str:
    """
    Write the card from the metadata, so that the two never disagree.

    Parameters
    ----------
    metadata : ModelMetadata
        Of the model.

    Returns
    -------
    str
        Markdown.
    """
    metrics = metadata.metrics
    software = ", ".join(f"{name} {v}" for name, v in metadata.software.items())
    lines = [
        f"# {metadata.name} {metadata.version}",
        "",
        f"Model id `{metadata.model_id}`: {metadata.task}",
        "",
    ]
    if metadata.restricted:
        lines += [
            (
                "**Restricted.** It rests on data whose author states no licence. The "
                "data is not in this project; whoever needs a model without it trains "
                "one on other pairs of the same form, with the command below."
            ),
            "",
        ]
    lines += ["## What it was trained on", ""]
    lines += _table(
        ("file", "pairs", "positive", "licence", "source", "SHA-256"),
        [
            (
                each.name,
                each.samples,
                each.positives,
                each.licence,
                each.source,
                f"`{each.sha256[:16]}...`",
            )
            for each in metadata.data
        ],
    )
    lines += [
        (
            f"Trained with {software}, on {len(metadata.feature_order)} features of a "
            "pair, none of them place or date. Again with:"
        ),
        "",
        f"    {metadata.retrain}",
        "",
        "## How good it is",
        "",
        f"Measured in {metadata.folds}. Intervals are 95 %, of places drawn again.",
        "",
        *_overall(metrics),
        *_parts(metrics),
        "## Where it must not be trusted",
        "",
        *(f"- {limit}" for limit in metadata.limits),
        "",
        f"A pair is called positive from a probability of {metadata.threshold:.4f}.",
    ]
    return "\n".join(lines) + "\n"


def _overall(metrics: Mapping[str, Any]) -> list[str]:
    """Table the measures over everything."""
    rows = [
        (word, metrics[name], _interval(metrics.get(f"{name}_interval")))
        for word, name in (
            ("AUC", "auc"),
            ("average precision", "average_precision"),
            ("F1 at the threshold", "f1"),
            ("Brier score", "brier"),
            ("expected calibration error", "ece"),
        )
    ]
    noise, unblocked = metrics["label_noise"], metrics.get("auc_without_blocks")
    lines = _table(("measure", "value", "interval"), rows)
    if unblocked is not None:
        lines += [
            (
                f"Folds that ignore neighbours would show an AUC of {unblocked}: that "
                "is what a random split of these pairs measures, and it flatters. The "
                "form of the model was chosen on other cuts of the same pairs, which "
                "flatters a little too."
            ),
            "",
        ]
    return [
        *lines,
        (
            f"Of the positive labels {_percent(noise['positives_doubted'])}, of the "
            f"others {_percent(noise['others_doubted'])} are contradicted by all that "
            "was not near them. If those are wrong and all others right, a faultless "
            "ranking would get an AUC of "
            f"{noise['auc_of_a_faultless_ranking']}."
        ),
        "",
    ]


def _parts(metrics: Mapping[str, Any]) -> list[str]:
    """Table the measures of parts."""
    lines = []
    if metrics.get("parts"):
        lines += ["### Parts of the model, mean of all cuts", ""]
        lines += _table(
            ("part", "AUC", "both together better by (95 %)"),
            [
                (each["part"], each["auc"], _interval(each["whole_better_by"]))
                for each in metrics["parts"]
            ],
        )
    lines += ["### Confusers", ""]
    lines += _table(
        ("category", "pairs", "called positive", "mean probability"),
        [
            (
                each["category"],
                each["n"],
                _percent(each["share_called"]),
                each["mean_probability"],
            )
            for each in metrics["by_category"]
        ],
    )
    lines += ["### Size of the largest piece that opened", ""]
    lines += _table(
        ("hectares", "positives", "recall", "others", "called"),
        [
            (
                f"{each['from_ha']} to {each['to_ha']}",
                each["positives"],
                _percent(each["recall"]),
                each["others"],
                _percent(each["called_of_others"]),
            )
            for each in metrics["by_opened_area"]
        ],
    )
    return lines if "windows" not in metrics else lines + _thorough(metrics)


def _thorough(metrics: Mapping[str, Any]) -> list[str]:
    """Table what a brief training does not measure."""
    lines = ["### Windows of time", ""]
    lines += _table(
        ("earlier look from", "pairs", "positives", "AUC within", "recall if left out"),
        [
            (
                each["earlier_look_from"],
                each["pairs"],
                each["positives"],
                each["auc_within"],
                _percent(each["recall"]),
            )
            for each in metrics["windows"]
        ],
    )
    if metrics["countries_left_out"]:
        lines += ["### A country left out, with what lies near it", ""]
        lines += _table(
            ("country", "pairs", "positives", "AUC", "recall", "others called"),
            [
                (
                    each["country"],
                    each["pairs"],
                    each["positives"],
                    each["auc"],
                    _percent(each["recall"]),
                    _percent(each["called_of_others"]),
                )
                for each in metrics["countries_left_out"]
            ],
        )
    lines += ["### Other classifiers on the same features and views, first cut", ""]
    lines += _table(
        ("classifier", "AUC", "ours better by (95 %)"),
        [
            (each["classifier"], each["auc"], _interval(each["ours_better_by"]))
            for each in metrics["other_classifiers"]
        ],
    )
    lines += ["### Learning curve", ""]
    lines += _table(
        ("share of the places", "pairs that train", "AUC"),
        [
            (_percent(each["share"]), each["pairs"], each["auc"])
            for each in metrics["learning_curve"]
        ],
    )
    return lines


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Write a table of Markdown; what is not known is a dash."""
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(
            f"| {' | '.join('-' if v is None else str(v) for v in row)} |"
            for row in rows
        ),
        "",
    ]


def _percent(share: float | None) -> str:
    """Write a share."""
    return "-" if share is None else f"{share:.1%}".replace("%", " %")


def _interval(ends: Sequence[float] | None) -> str:
    """Write an interval."""
    return "-" if ends is None else f"{ends[0]} to {ends[1]}"
