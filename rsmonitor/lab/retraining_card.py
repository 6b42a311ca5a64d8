"""The card of a model that a bureau trained on its own labels."""

from rsmonitor.records.model import ModelMetadata


def card(metadata: ModelMetadata) -> str:
    """
    Write the model card.

    Parameters
    ----------
    metadata : ModelMetadata
        With the metrics of `rsmonitor.lab.retraining.retrain`.

    Returns
    -------
    str
        Markdown; every number is from the metadata.
    """
    told = metadata.metrics
    against = told["comparison"]
    rows = "\n".join(
        f"| {cause} | {each['objects']} | {each['new']:.2f} | {each['in_use']:.2f} |"
        for cause, each in against["by_cause"].items()
    )
    return "\n".join(
        [
            f"# {metadata.name}/{metadata.version}\n",
            (
                f"It {metadata.task}. A linear model (multinomial logistic regression "
                f"on {len(metadata.feature_order)} standardised features), trained on "
                "a bureau's own labels so that every cause counts alike.\n"
            ),
            "## What it must not be trusted with\n",
            *(f"- {each}" for each in metadata.limits),
            "\n## Trained on\n",
            *(
                f"- {each.name}: {each.samples} objects; {each.source}; licence: "
                f"{each.licence}"
                for each in metadata.data
            ),
            (
                "\nOwn labels by cause: "
                + ", ".join(f"{cause} {n}" for cause, n in told["labels"].items())
                + f". Trained causes: {', '.join(told['trained'])}. Left out: "
                + (
                    ", ".join(f"{why} {n}" for why, n in told["left_out"].items())
                    or "nothing"
                )
                + ".\n"
            ),
            f"## Beside {against['in_use']}, on held-out places\n",
            (
                f"{metadata.folds}. {against['judged']} objects in "
                f"{against['places']} places; intervals are over places drawn "
                "again.\n"
            ),
            *(
                [
                    (
                        f"{against['in_use']} was trained on some of them, so it was "
                        "made again without the held-out places.\n"
                    )
                ]
                if against["remade"]
                else []
            ),
            "| measure | new | in use | gain | 95 % interval |",
            "|---|---|---|---|---|",
            _line("Brier score (less is better)", against, "brier"),
            _line("accuracy", against, "accuracy"),
            "",
            "| cause | objects | called right, new | called right, in use |",
            "|---|---|---|---|",
            rows,
            "",
            f"Made again by: `{metadata.retrain}`\n",
        ]
    )


def _line(what: str, against: dict[str, list[float]], key: str) -> str:
    """Write one measure."""
    (new, old), (gain, low, high) = against[key], against[f"{key}_gain"]
    return (
        f"| {what} | {new:.3f} | {old:.3f} | {gain:+.3f} | {low:+.3f} to {high:+.3f} |"
    )
