"""Open a triage project in real QGIS, edit it, draw it, and say what was seen.

Runs under the Python that QGIS is built for, with nothing but QGIS and the standard
library: ``triage_session.py JOB.json`` prints one JSON document.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsFeatureRequest,
    QgsGeometry,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize, QVariant


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Do what the job says."""
    app = QgsApplication([], False)  # noqa: FBT003 - without windows
    app.initQgis()
    messages = []
    app.messageLog().messageReceived.connect(
        lambda text, tag, level: messages.append([str(tag), int(level), str(text)])
    )
    project = QgsProject.instance()
    told = {"read": project.read(job["project"]), "error": project.error()}
    told["layers"] = [layer_facts(layer) for layer in ordered(project)]
    told["title"] = project.title()
    told["crs"] = project.crs().authid()
    manager = project.bookmarkManager()
    told["bookmarks"] = sorted(
        [bookmark.name(), bookmark.extent().toString(4)]
        for bookmark in manager.bookmarks()
    )
    alerts = project.mapLayer("triage_alerts")
    if alerts is not None and alerts.isValid():
        told["form"] = form_facts(alerts)
        told["tips"] = [tip(alerts, n) for n in job.get("tips", [])]
        told["licence_tips"] = [
            tip(project.mapLayer("triage_licences"), n)
            for n in job.get("licence_tips", [])
        ]
        told["edits"] = [edit(alerts, one) for one in job.get("edits", [])]
        told["rows"] = rows(alerts)
        other = project.mapLayer("triage_licences")
        told["licences_editable"] = bool(other.startEditing())
    if "alone" in job:
        layer = QgsVectorLayer(f"{job['alone']}|layername=alerts", "alone", "ogr")
        told["alone"] = form_facts(layer)
    if "png" in job:
        draw(project, job["png"])
    told["messages"] = messages
    return told


def ordered(project: QgsProject) -> list[Any]:
    """Give the layers as the list shows them."""
    return [node.layer() for node in project.layerTreeRoot().findLayers()]


def layer_facts(layer: Any) -> dict[str, Any] | None:  # noqa: ANN401 - of any kind
    """Describe a layer."""
    if layer is None:
        return None
    facts = {
        "id": layer.id(),
        "name": layer.name(),
        "valid": layer.isValid(),
        "crs": layer.crs().authid(),
        "source": layer.source(),
    }
    if isinstance(layer, QgsVectorLayer):
        facts["rows"] = layer.featureCount()
        facts["aliases"] = [field.alias() for field in layer.fields()][1:]
        renderer = layer.renderer()
        facts["renderer"] = renderer.type()
        if renderer.type() == "categorizedSymbol":
            facts["categories"] = [
                [category.value(), category.label(), category.symbol().color().name()]
                for category in renderer.categories()
            ]
    else:
        facts["bands"] = layer.bandCount()
    return facts


def form_facts(layer: QgsVectorLayer) -> dict[str, Any]:
    """Describe the form of the alerts."""
    config = layer.editFormConfig()
    fields = layer.fields()
    order = []

    def walk(element: Any) -> None:  # noqa: ANN401 - of any kind
        if element.type() == element.AeTypeField:
            order.append(element.name())
        else:
            for child in element.children():
                walk(child)

    walk(config.invisibleRootContainer())
    table = layer.attributeTableConfig()
    return {
        "layout": int(config.layout()),
        "order": order,
        "tabs": [tab.name() for tab in config.tabs()],
        "widgets": {
            field.name(): layer.editorWidgetSetup(n).type()
            for n, field in enumerate(fields)
        },
        "editable": [
            field.name() for n, field in enumerate(fields) if not config.readOnly(n)
        ],
        "lists": {
            name: layer.editorWidgetSetup(fields.indexOf(name)).config()["map"]
            for name in ("verdict", "cause", "category")
        },
        "sort": table.sortExpression(),
        "hidden": [column.name for column in table.columns() if column.hidden],
        "display": layer.displayExpression(),
    }


def tip(layer: QgsVectorLayer, number: int) -> str:
    """Give what the pointer shows over one feature."""
    feature = next(layer.getFeatures(QgsFeatureRequest(number)))
    context = QgsExpressionContext(
        QgsExpressionContextUtils.globalProjectLayerScopes(layer)
    )
    context.setFeature(feature)
    return QgsExpression.replaceExpressionText(layer.mapTipTemplate(), context)


def edit(layer: QgsVectorLayer, one: dict[str, Any]) -> dict[str, Any]:
    """Make one edit and say whether it was taken."""
    layer.startEditing()
    number = one["fid"]
    if one.get("delete"):
        layer.deleteFeature(number)
    elif one.get("move"):
        feature = next(layer.getFeatures(QgsFeatureRequest(number)))
        moved = QgsGeometry(feature.geometry())
        moved.translate(0.001, 0)
        layer.changeGeometry(number, moved)
    elif one.get("copy"):
        feature = next(layer.getFeatures(QgsFeatureRequest(number)))
        feature["fid"] = QVariant()
        layer.addFeature(feature)
    for name, value in one.get("set", {}).items():
        layer.changeAttributeValue(number, layer.fields().indexOf(name), value)
    done = layer.commitChanges()
    errors = layer.commitErrors()
    if not done:
        layer.rollBack()
    return {"done": done, "errors": "\n".join(errors)}


def rows(layer: QgsVectorLayer) -> dict[str, Any]:
    """Give what the columns for people hold now."""
    names = ("verdict", "cause", "who", "note", "judged_on", "photos", "place")
    layer.dataProvider().reloadData()
    return {
        str(feature.id()): {
            name: None
            if feature[name] is None or str(feature[name]) == "NULL"
            else feature[name].toString("yyyy-MM-dd")
            if hasattr(feature[name], "toString")
            else feature[name]
            for name in names
        }
        for feature in layer.getFeatures()
    }


def draw(project: QgsProject, path: str) -> None:
    """Draw the map as it opens."""
    settings = QgsMapSettings()
    settings.setLayers(
        [
            node.layer()
            for node in project.layerTreeRoot().findLayers()
            if node.isVisible()
        ]
    )
    settings.setDestinationCrs(project.crs())
    settings.setTransformContext(project.transformContext())
    settings.setOutputSize(QSize(900, 900))
    settings.setExtent(project.viewSettings().defaultViewExtent())
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(path)


if __name__ == "__main__":
    document = json.dumps(main(json.loads(Path(sys.argv[1]).read_text())), default=str)
    sys.stdout.write(document)
    sys.stdout.flush()
    # taking QGIS down in order crashes now and then
    os._exit(0)
