"""Offers as JSON, so that a search is not made twice."""

from datetime import datetime
from typing import Any

import shapely

from rsmonitor.io.foundation.redaction import without_credentials
from rsmonitor.records.offer import Offer, Radiometry


def to_json(offer: Offer) -> dict[str, Any]:
    """
    Turn an offer into what JSON can hold.

    Parameters
    ----------
    offer : Offer
        From an archive.

    Returns
    -------
    dict
        Text, numbers, lists and None only. Addresses lose what may be a key: they
        must be signed again before use.
    """
    return {
        "product_id": offer.product_id,
        "mgrs_tile": offer.mgrs_tile,
        "platform": offer.platform,
        "datatake_start": offer.datatake_start.isoformat(),
        "sensed_at": offer.sensed_at.isoformat(),
        "processing_baseline": offer.processing_baseline,
        "radiometry": {
            "add_offset": offer.radiometry.add_offset,
            "quantification_value": offer.radiometry.quantification_value,
            "because": offer.radiometry.because,
        },
        "source": offer.source,
        "created_at": None
        if offer.created_at is None
        else offer.created_at.isoformat(),
        "cloud_percent": offer.cloud_percent,
        "refined": offer.refined,
        "footprint": None if offer.footprint is None else offer.footprint.wkb_hex,
        "assets": {name: _keepable(at) for name, at in offer.assets.items()},
    }


def from_json(value: dict[str, Any]) -> Offer:
    """
    Turn it back.

    Parameters
    ----------
    value : dict
        From `to_json`.

    Returns
    -------
    Offer
        Equal to the one that was kept, but for keys in addresses.

    Raises
    ------
    KeyError, TypeError, ValueError, ContractError
        If it is not from `to_json`.
    """
    made, footprint = value["created_at"], value["footprint"]
    return Offer(
        product_id=value["product_id"],
        mgrs_tile=value["mgrs_tile"],
        platform=value["platform"],
        datatake_start=datetime.fromisoformat(value["datatake_start"]),
        sensed_at=datetime.fromisoformat(value["sensed_at"]),
        processing_baseline=value["processing_baseline"],
        radiometry=Radiometry(**value["radiometry"]),
        source=value["source"],
        created_at=None if made is None else datetime.fromisoformat(made),
        cloud_percent=value["cloud_percent"],
        refined=value["refined"],
        footprint=None if footprint is None else shapely.from_wkb(footprint),
        assets=value["assets"],
    )


def _keepable(address: str) -> str:
    """Give an address without keys; a path is as it is."""
    return without_credentials(address) if "://" in address else address
