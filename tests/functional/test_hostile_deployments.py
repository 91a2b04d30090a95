"""Names, devices, images, environments and values of deployments that want more than their place, at the door: refused, or taken
for what they are. What the engines make of them is in their unit tests (hostile_texts.hpp)."""

import re

import pytest
from service import ROOT, Service

SOURCE = (ROOT / "tests/support/hostile_texts.hpp").read_text()
# The ones of the unit tests that Python reads the same.
TEXTS = [eval(text) for text in re.findall(r'"(?:[^"\\]|\\.)*"', SOURCE[SOURCE.index("return {"):])]  # noqa: S307 - our own file
PLACES = {
    "name": lambda text: {"name": text},
    "gpu_device": lambda text: {"gpu_device": text},
    "engine": lambda text: {"engine": text},
    "image": lambda text: {"config": {"image": text}},
    "environment": lambda text: {"config": {"environment": {text: text}}},
    "value": lambda text: {"config": {"chat_template": text}},
    "option": lambda text: {"config": {text: 1}},
    "url": lambda text: {"engine": "external", "config": {"url": text}},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("hostile") / "home")
    service.pull("demo:tiny-chat")
    yield service
    assert service.data("GET", "/api/v1/deployments")["items"] == []
    service.stop()


@pytest.mark.parametrize("place", PLACES)
def test_a_text_that_wants_more_than_its_place(served, place):
    refused = 0
    for text in TEXTS:
        body = PLACES[place](text)
        if "url" not in body.get("config", {}):
            body["ref"] = "demo:tiny-chat"
        status, _, answer = served.request("POST", "/api/v1/deployments/plan", body)
        if status == 200:
            assert place == "name" and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text) and answer["data"]["name"] == text, (text, answer)
            continue
        refused += 1
        assert (status, answer["error"]) == (422, "VALIDATION_FAILED") or (place, status) == ("engine", 503), (text, answer)
    assert len(TEXTS) >= 40 and refused >= (25 if place == "name" else len(TEXTS))
