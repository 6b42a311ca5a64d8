"""The card of `cause/2`: what it was trained on, where it works and where not."""

from rsmonitor.lab.cause_card import comparison, restriction, trained_on
from rsmonitor.records.model import ModelMetadata
from rsmonitor.wiring.causes import WEIGHT


def card(metadata: ModelMetadata) -> str:
    """
    Write the model card.

    Parameters
    ----------
    metadata : ModelMetadata
        From `train`.

    Returns
    -------
    str
        Markdown; every number is from the metadata.
    """
    told = metadata.metrics
    lines = [
        f"# {metadata.name}/{metadata.version}\n",
        (
            f"It {metadata.task}: by {told[WEIGHT]:g} of its log odds. A linear model "
            f"(logistic regression on {len(metadata.feature_order)} standardised "
            "features), both sides counted alike. The other causes keep the "
            "proportions of `rules-1`; where a change is unlike anything that it has "
            "seen, `rules-1` decides alone and stands on the alert. The demo's "
            "imagery did not train it.\n"
        ),
        restriction(metadata),
        "## What it must not be trusted with\n",
        "\n".join(f"- {each}" for each in metadata.limits) + "\n",
        "## Trained on\n",
        trained_on(metadata),
        "## Mining against other change, on places that did not train\n",
        (
            f"{metadata.folds}. AUC with 95 % intervals over places drawn again; "
            "`rules-1` was asked about the same objects. The six features were chosen "
            "for `cause/1` with these folds in view, so the numbers flatter a little; "
            "the weight was fixed before.\n"
        ),
        comparison(told["digging_against_others"]),
        "Brier score of digging, both sides counted alike (smaller is better):\n",
        "| objects | model | rules-1 | better by |\n|---|---|---|---|\n"
        + "\n".join(
            f"| {name.replace('_', ' ')} | {row['model']:.3f} | {row['rules']:.3f} | "
            f"{row['gain']:+.3f} ({row['gain_interval'][0]:.3f} to "
            f"{row['gain_interval'][1]:.3f}) |"
            for name, row in told["brier"].items()
        )
        + "\n",
        "Named digging:\n",
        "| objects | n | model | rules-1 |\n|---|---|---|---|\n"
        + "\n".join(
            f"| {name} | {row['objects']} | {row['model']:.0%} | {row['rules']:.0%} |"
            for name, row in told["called_digging"].items()
        )
        + "\n",
        "Gain in AUC with other weights, which chose nothing:\n",
        "| objects | "
        + " | ".join(f"weight {weight}" for weight in told["other_weights"])
        + " |\n|---|"
        + "---|" * len(told["other_weights"])
        + "\n"
        + "\n".join(
            f"| {name.replace('_', ' ')} | "
            + " | ".join(
                f"{rows[name]['gain_interval'][0]:.2f} to "
                f"{rows[name]['gain_interval'][1]:.2f}"
                for rows in told["other_weights"].values()
            )
            + " |"
            for name in told["digging_against_others"]
        )
        + "\n",
        "## A country left out\n",
        "| country (coarse borders) | n (mining) | AUC | rules-1 |\n|---|---|---|---|\n"
        + "\n".join(
            f"| {name} | {row['objects']} ({row['mining']}) | {row['auc']:.2f} | "
            f"{row['auc_rules']:.2f} |"
            for name, row in told["countries_left_out"].items()
        )
        + "\n",
        "## Make it again\n",
        f"```\n{metadata.retrain}\n```\n",
        "Trained with "
        + ", ".join(f"{k} {v}" for k, v in metadata.software.items())
        + f". SHA-256 of the model: `{metadata.sha256}`.\n",
    ]
    return "\n".join(lines)
