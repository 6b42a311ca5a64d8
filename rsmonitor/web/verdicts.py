"""What people found, said on the page; and the words that there are for it."""

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from rsmonitor.errors import BusyError, ReturnsError
from rsmonitor.io.deliver.legend import TIER_LABELS
from rsmonitor.io.deliver.triage.columns import CONTRADICTIONS, refused_causes
from rsmonitor.io.returns.columns import MAX_TEXT
from rsmonitor.records.account import Viewer
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.finding import JUDGEMENT_LABELS, Judgement
from rsmonitor.records.lifecycle import PHASE_LABELS
from rsmonitor.records.rasters import Tier
from rsmonitor.records.site import STATE_LABELS
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS
from rsmonitor.web import doors
from rsmonitor.web.errors import Problem
from rsmonitor.web.features_answers import JSON, answer, problems, shown
from rsmonitor.web.features_query import single
from rsmonitor.web.imagery import opened_alert
from rsmonitor.wiring.alerts import STATES
from rsmonitor.wiring.web_sites import events_of, findings_of
from rsmonitor.wiring.web_verdicts import Judged, StaleError, give_verdict

router: Final = APIRouter(tags=["verdicts"])


class VerdictBody(BaseModel):
    """What is sent as a verdict."""

    model_config = ConfigDict(extra="forbid")

    verdict: str = Field(max_length=40)
    reason: str | None = Field(default=None, max_length=40)
    note: str | None = Field(default=None, max_length=MAX_TEXT)
    decided_by_imagery: str | None = Field(default=None, max_length=200)
    expected_version: int = Field(ge=1, le=1_000_000)


@router.post(
    "/api/alerts/{alert_id}/verdict",
    response_class=Response,
    status_code=201,
    responses={
        200: shown(JSON, "The same words were there already."),
        201: shown(JSON, "The event that says it."),
        **problems(403, 404, 409, 413, 415, 422),
    },
)
def verdict(
    request: Request,
    alert_id: str,
    body: VerdictBody,
    viewer: Annotated[Viewer, Depends(doors.may(*doors.VERDICTS))],
) -> Response:
    """
    Say what an alert is held to be; the ledger keeps it as an import would.

    Parameters
    ----------
    request : Request
        The request.
    alert_id : str
        `Alert.alert_id`.
    body : VerdictBody
        What is said.
    viewer : Viewer
        Who says it: an analyst, an inspector, or an administrator.

    Returns
    -------
    Response
        The number of the event, and the last word of everybody.

    Raises
    ------
    Problem
        409 where the alert changed, 422 where a rule refuses it, 503 while others
        write.
    """
    single(request, ())
    opened = opened_alert(request, viewer, alert_id)
    shared = doors.service(request)
    try:
        taken = give_verdict(
            shared.shelf,
            opened,
            Judged(
                verdict=body.verdict,
                reason=body.reason,
                note=body.note,
                imagery=body.decided_by_imagery,
                expected_version=body.expected_version,
            ),
            who=viewer.name,
            role=viewer.role,
            scope=viewer.scope,
            clock=shared.clock,
        )
    except StaleError as error:
        raise Problem(409, str(error)) from error
    except ReturnsError as error:
        raise Problem(422, str(error)) from error
    except BusyError as error:
        raise Problem(
            503, "the ledger is being written; try again", {"Retry-After": "5"}
        ) from error
    doors.audit(request, viewer, "verdict given", [alert_id])
    said = {
        "event_seq": taken.event_seq,
        "fresh": taken.fresh,
        "alert_id": alert_id,
        "version": body.expected_version,
        "verdict": body.verdict,
        "reason": body.reason,
        "findings": findings_of(events_of(opened), opened.found.site_id),
    }
    return answer(
        json.dumps(said, ensure_ascii=False), status=201 if taken.fresh else 200
    )


@router.get(
    "/api/vocabulary",
    response_class=Response,
    responses={200: shown(JSON, "Codes with labels."), **problems()},
)
def vocabulary(
    request: Request, viewer: Annotated[Viewer, Depends(doors.viewer)]
) -> Response:
    """
    Give all codes with their Chinese and English labels.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.

    Returns
    -------
    Response
        ``verdicts, reasons, tiers, categories, certainties, states, phases``.
    """
    del viewer
    single(request, ())
    # phases that are words of sites as well choose by the site's state
    states: dict[str, tuple[str, str]] = {
        word.value: label for word, label in PHASE_LABELS.items()
    }
    states |= {word.value: label for word, label in STATE_LABELS.items()}
    said: dict[str, Any] = {
        "verdicts": [
            {
                **_labelled(each.value, JUDGEMENT_LABELS[each]),
                "refused_reasons": [
                    None if cause is None else cause.value
                    for cause in refused_causes(each)
                ],
                "rule_zh": CONTRADICTIONS.get(each, ("", ""))[0],
                "rule_en": CONTRADICTIONS.get(each, ("", ""))[1],
            }
            for each in Judgement
        ],
        "reasons": [_labelled(c.value, label) for c, label in CAUSE_LABELS.items()],
        "tiers": [
            _labelled(tier.code, TIER_LABELS[tier])
            for tier in (Tier.HIGH, Tier.MEDIUM, Tier.LOW)
        ],
        "categories": [_labelled(c.value, p) for c, p in CATEGORY_LABELS.items()],
        "certainties": [_labelled(c.value, p) for c, p in CERTAINTY_LABELS.items()],
        "states": [_labelled(word, states[word]) for word in STATES],
        "phases": [_labelled(p.value, label) for p, label in PHASE_LABELS.items()],
    }
    return answer(json.dumps(said, ensure_ascii=False))


def _labelled(code: str, label: tuple[str, str]) -> dict[str, str]:
    """Give a code with its labels."""
    return {"code": code, "zh": label[0], "en": label[1]}
