"""What is known of a trained model: what it rests on, how good it is, and where."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from rsmonitor.errors import ContractError

METADATA_SCHEMA = 1
"""Version of the form of ``metadata.json``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """One file that a model rests on; it does not lie in the project."""

    name: str
    """File name."""

    sha256: str
    """SHA-256 of its bytes, hexadecimal."""

    samples: int
    """Samples that were used."""

    positives: int
    """How many of them are positive."""

    source: str
    """Where it is from."""

    licence: str
    """Its licence in words; ``none stated`` where its author gave none."""

    licensed: bool
    """Its licence lets everybody train and pass on."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ContractError(
                f"sha256 of {self.name} must be 64 hex digits, got {self.sha256!r}"
            )
        if not 0 <= self.positives <= self.samples:
            raise ContractError(
                f"{self.name}: {self.positives} positives of {self.samples} samples"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """What ``metadata.json`` beside a model says; checked whenever it is loaded."""

    name: str
    """Name of the model, such as ``pair-screen``."""

    version: str
    """Whole number from 1; another set of numbers is another version."""

    task: str
    """What it judges, one sentence."""

    positive: str
    """Name of the category that a high probability means."""

    sha256: str
    """SHA-256 of ``model.skops``, hexadecimal."""

    software: Mapping[str, str]
    """Versions that trained it by name; ``scikit-learn`` is among them."""

    feature_order: tuple[str, ...]
    """Names of the numbers it takes, in order."""

    data: tuple[TrainingData, ...]
    """What it was trained on."""

    folds: str
    """How the folds were cut in which it was measured."""

    metrics: Mapping[str, Any]
    """Measures by name: numbers, pairs of numbers (intervals), or tables of them."""

    threshold: float
    """Probability from which a pair is called positive."""

    retrain: str
    """Command that makes it again."""

    trained_on: tuple[str, ...] = field(default=())
    """Fingerprints of the samples that trained it, sorted: what is judged on them says
    nothing."""

    limits: tuple[str, ...] = field(default=())
    """What it must not be trusted with, one sentence each."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", self.name):
            raise ContractError(
                f"a model's name has small letters, digits and hyphens, got "
                f"{self.name!r}"
            )
        if not re.fullmatch(r"[1-9][0-9]{0,5}", self.version):
            raise ContractError(
                f"version of {self.name} must be a whole number, got {self.version!r}"
            )
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ContractError(
                f"sha256 of {self.name} must be 64 hex digits, got {self.sha256!r}"
            )
        if not 0.0 < self.threshold < 1.0:
            raise ContractError(
                f"threshold of {self.name} must lie within 0 to 1, got {self.threshold}"
            )
        if "scikit-learn" not in self.software:
            raise ContractError(
                f"software of {self.name} must name the version of scikit-learn"
            )
        if not self.feature_order or len(set(self.feature_order)) != len(
            self.feature_order
        ):
            raise ContractError(
                f"feature_order of {self.name} must be names, each once"
            )

    @property
    def model_id(self) -> str:
        """
        Give what alerts and assessments call the model.

        Returns
        -------
        str
            ``name-version``.
        """
        return f"{self.name}-{self.version}"

    @property
    def restricted(self) -> bool:
        """
        Say whether it rests on data that nobody gave leave to pass on.

        Returns
        -------
        bool
            True if a file has no licence: then the model is shipped marked, and can be
            made again without that file.
        """
        return not all(data.licensed for data in self.data)

    def as_json(self) -> dict[str, Any]:
        """
        Give the content of ``metadata.json``.

        Returns
        -------
        dict
            Of plain values, in a fixed order.
        """
        return {
            "schema": METADATA_SCHEMA,
            "restricted": self.restricted,
            **asdict(self),
        }

    @classmethod
    def from_json(cls, content: object) -> Self:
        """
        Read the content of ``metadata.json``.

        Parameters
        ----------
        content : object
            What the file holds.

        Returns
        -------
        ModelMetadata
            Checked.

        Raises
        ------
        ContractError
            If a key is missing, unknown or of another kind.
        """
        if not isinstance(content, dict):
            raise ContractError("metadata must be a JSON object")
        values = dict(content)
        schema = values.pop("schema", None)
        if schema != METADATA_SCHEMA:
            raise ContractError(
                f"schema of metadata must be {METADATA_SCHEMA}, got {schema!r}"
            )
        marked = values.pop("restricted", None)
        try:
            values["data"] = tuple(TrainingData(**each) for each in values["data"])
            values["feature_order"] = tuple(map(str, values["feature_order"]))
            values["trained_on"] = tuple(map(str, values.get("trained_on", ())))
            values["limits"] = tuple(map(str, values.get("limits", ())))
            values["threshold"] = float(values["threshold"])
            read = cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ContractError(f"metadata is not whole: {error}") from error
        if marked is not read.restricted:
            raise ContractError(
                f"restricted must be {read.restricted}, as the licences of the data "
                f"say, got {marked!r}"
            )
        return read
