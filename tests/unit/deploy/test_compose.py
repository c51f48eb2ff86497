"""What can be said of the containers without a Docker engine."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from hub.kafka.jars import locked

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")


def instructions(word):
    return [line.split(maxsplit=1)[1] for line in DOCKERFILE.splitlines() if line.startswith(word + " ")]


@pytest.mark.parametrize("name", ["kafka", "postgres"])
def test_each_service_says_when_it_is_healthy_and_the_hub_waits_for_it(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES["hub"]["depends_on"][name] == {"condition": "service_healthy"}
    assert SERVICES[name]["restart"] == SERVICES["hub"]["restart"] == "unless-stopped"


def test_volumes_are_declared_and_what_must_last_is_on_one():
    named = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service["volumes"]
        if not volume.startswith(("$", "/", "."))
    }
    assert named == set(COMPOSE["volumes"])
    assert SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"] == SERVICES["kafka"]["volumes"][0].split(":")[1]


def test_the_broker_is_the_version_that_tests_run_on():
    version, _ = locked()
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"
    assert f"apache/kafka:{version}" in (ROOT / "tests" / "services" / "docker.py").read_text()


def test_the_hub_is_told_where_its_services_are():
    told = SERVICES["hub"]["environment"]
    advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert advertised == f"PLAINTEXT://{told['HUB_KAFKA']}"
    assert told["HUB_LEDGER"].startswith("postgresql+psycopg://hub:")
    assert told["HUB_LEDGER"].endswith("@postgres:5432/hub")
    assert SERVICES["postgres"]["environment"]["POSTGRES_USER"] == "hub"


def test_no_password_is_written_down():
    asked_for = "${HUB_DB_PASSWORD:?"
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith(asked_for)
    assert SERVICES["hub"]["environment"]["HUB_LEDGER"].split("hub:")[1].startswith(asked_for)


def test_the_image_runs_the_hub_as_a_user_without_rights():
    assert instructions("USER") == ["hub"]
    assert instructions("ENTRYPOINT") == ['["hub"]']
    assert "hub" in re.findall(r"^\[project.scripts\]\n(\w+) =", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert SERVICES["hub"]["cap_drop"] == ["ALL"]
    assert SERVICES["hub"]["ports"] == ["127.0.0.1:8080:" + instructions("EXPOSE")[0]]
    assert SERVICES["hub"]["command"][0] == "run"


def test_what_the_image_copies_is_there_and_not_ignored():
    root = ROOT / SERVICES["hub"]["build"]["context"].removeprefix("../").removeprefix("..")
    assert (root / SERVICES["hub"]["build"]["dockerfile"]).is_file()
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for copy in instructions("COPY"):
        words = shlex.split(copy)
        if not words[0].startswith("--from"):
            for source in words[:-1]:
                assert (ROOT / source).exists(), source
                assert source in let_in, source
    stages = re.findall(r"^FROM \S+ AS (\w+)", DOCKERFILE, re.MULTILINE)
    assert {word for copy in instructions("COPY") for word in re.findall(r"--from=(\w+)", copy)} <= set(stages)
