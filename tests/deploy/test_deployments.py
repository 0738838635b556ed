"""What deploy/ offers to be copied is valid to the tools that read it, and names only what the program and its image have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from gateway.config.load import load
from gateway.config.overrides import OVERRIDES
from gateway.config.route_tests import run_tests
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd/recording-gateway.service"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
NGINX = (DEPLOY / "compose/nginx.conf").read_text()
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
EXPOSURE_MAX = 2.0  # of systemd-analyze, of 10
GRACE_SECONDS = 20  # server.shutdown_grace
VARIABLES = {*OVERRIDES, "GATEWAY_CONFIG"}


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def checked(text: str, folder: Path) -> None:
    """A configuration that loads, with stand-ins for secrets that are not here."""
    path = folder / "gateway.yaml"
    path.write_text(text)
    loaded = load(path, environ={}, placeholders=True)
    assert not run_tests(loaded)


# -- systemd


def test_the_unit_is_one_that_systemd_reads_and_finds_hardened() -> None:
    if (analyze := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not installed (apt-get install systemd)")
    answer = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", answer.stdout)
    assert exposure is not None, answer.stderr
    assert float(exposure[1]) < EXPOSURE_MAX
    assert "Unknown" not in answer.stderr


def test_the_unit_names_what_the_program_has_and_waits_for_its_end() -> None:
    text = UNIT.read_text()
    assert set(re.findall(r"^Environment=(\w+)=", text, re.M)) <= VARIABLES
    assert set(re.findall(r"/bin/gateway (\w+)$", text, re.M)) == {"check", "serve"}
    stop = re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)
    assert stop is not None
    assert int(stop[1]) > GRACE_SECONDS


# -- Compose


def test_compose_is_valid_to_the_schema_of_the_compose_specification() -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed, which has the schema")
    schemas = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    validator = jsonschema_rs.validator_for(json.loads((schemas / "compose-spec.json").read_text()))
    assert [one.message for one in validator.iter_errors(COMPOSE)] == []
    wrong = COMPOSE | {"services": {"a": {"image": "x", "read_onyl": True}}}
    assert list(validator.iter_errors(wrong)), "it would take anything"


def test_the_gateways_of_compose_share_a_store_and_everything_they_name_is_there(tmp_path: Path) -> None:
    services, secrets, volumes = COMPOSE["services"], COMPOSE["secrets"], COMPOSE["volumes"]
    gateways = [one for name, one in services.items() if name.startswith("gateway")]
    assert len(gateways) == 2
    for one in services.values():
        assert set(one.get("secrets", ())) <= set(secrets)
        assert set(one.get("depends_on", ())) <= set(services)
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / "compose" / source).is_file() if source.startswith("./") else source in volumes, volume
    for one in gateways:
        assert set(one["environment"]) <= VARIABLES
        assert one["environment"]["GATEWAY_STORE"].startswith("postgresql://")
        assert int(one["stop_grace_period"].removesuffix("s")) > GRACE_SECONDS
        assert one["read_only"]
        assert one["cap_drop"] == ["ALL"]
    checked((DEPLOY / "compose/gateway.yaml").read_text(), tmp_path)


def test_the_proxy_of_compose_asks_the_gateways_of_compose_for_callbacks_alone() -> None:
    asked = re.findall(r"^ *server ([\w-]+):(\d+) .*;", NGINX, re.MULTILINE)
    assert {name for name, _ in asked} == {name for name in COMPOSE["services"] if name.startswith("gateway")}
    assert {port for _, port in asked} == {"8080"}
    assert re.findall(r"location (\S+)", NGINX) == ["/hooks/", "/"]
    assert "return 404" in NGINX.split("location / ")[1]
    assert "9090" not in NGINX


# -- Kubernetes


def test_of_several_gateways_the_one_that_goes_is_sent_nothing_more_before_it_is_told() -> None:
    """Endpoints are taken back while the pod is stopped, not before: until then it would answer 503."""
    [deployment] = [one for one in documents(DEPLOY / "kubernetes/gateway.yaml") if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    [gateway] = pod["containers"]
    command, seconds = gateway["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert pod["terminationGracePeriodSeconds"] > GRACE_SECONDS + int(seconds) >= GRACE_SECONDS + 5


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_is_valid_to_the_schema_of_kubernetes(path: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for document in documents(path):
        validate.validate(document, validate.latest_version(), strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_probes_what_there_is_runs_as_nobody_and_its_configuration_loads(path: Path, tmp_path: Path) -> None:
    by_kind = {one["kind"]: one for one in documents(path)}
    pod = by_kind.get("Deployment", by_kind.get("StatefulSet"))["spec"]["template"]["spec"]  # type: ignore[index]
    (gateway,) = (one for one in pod["containers"] if one["name"] == "gateway")
    ports = {one["name"]: one["containerPort"] for one in gateway["ports"]}
    assert set(ports.values()) == {8080, 9090}
    probes = {name: gateway[name]["httpGet"] for name in gateway if name.endswith("Probe")}
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(probes)
    for name, probe in probes.items():
        assert probe["path"] == ("/readyz" if name == "readinessProbe" else "/healthz")
        assert ports[probe["port"]] == 9090
    assert pod["terminationGracePeriodSeconds"] > GRACE_SECONDS
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert gateway["securityContext"]["readOnlyRootFilesystem"]
    for container in pod["containers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    variables = {one["name"] for one in gateway["env"]}
    assert {one for one in variables if one.startswith("GATEWAY_")} <= VARIABLES
    mounted = {one["name"] for one in gateway["volumeMounts"]}
    claims = by_kind.get("StatefulSet", {"spec": {}})["spec"].get("volumeClaimTemplates", ())
    assert mounted <= {one["name"] for one in (*pod["volumes"], *(claim["metadata"] for claim in claims))}
    text = by_kind["ConfigMap"]["data"]["gateway.yaml"]
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= variables
    checked(text, tmp_path)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_pod_is_reached_at_its_ports_alone_and_reaches_no_private_network(path: Path) -> None:
    by_kind = {one["kind"]: one for one in documents(path)}
    template = by_kind.get("Deployment", by_kind.get("StatefulSet"))["spec"]["template"]  # type: ignore[index]
    policy = by_kind["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"] == template["metadata"]["labels"]
    assert by_kind["Service"]["spec"]["selector"] == template["metadata"]["labels"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (gateway,) = (one for one in template["spec"]["containers"] if one["name"] == "gateway")
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == [
        port["name"] for port in gateway["ports"]
    ]
    assert all(rule["from"] for rule in policy["ingress"])
    (world,) = (to["ipBlock"] for rule in policy["egress"] for to in rule["to"] if "ipBlock" in to)
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} == set(world["except"])


def test_gateways_of_kubernetes_outlive_a_drained_node_and_are_reached_by_whom_they_should() -> None:
    by_kind = {one["kind"]: one for one in documents(DEPLOY / "kubernetes/gateway.yaml")}
    labels = by_kind["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for kind, path in (
        ("PodDisruptionBudget", ("selector", "matchLabels")),
        ("NetworkPolicy", ("podSelector", "matchLabels")),
    ):
        chosen: Any = by_kind[kind]["spec"]
        for key in path:
            chosen = chosen[key]
        assert chosen == labels
    assert by_kind["Service"]["spec"]["selector"] == labels
    assert by_kind["PodDisruptionBudget"]["spec"]["minAvailable"] < by_kind["Deployment"]["spec"]["replicas"]
    into = by_kind["NetworkPolicy"]["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in into] == ["callbacks", "private"]
    assert by_kind["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not any(
        "emptyDir" in one and one["name"] == "data"
        for one in by_kind["Deployment"]["spec"]["template"]["spec"]["volumes"]
    )


# -- the image, and what is in it


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_is_built_and_says_its_version() -> None:
    if (docker := shutil.which("docker")) is None:
        pytest.skip("docker is not installed")
    if subprocess.run([docker, "info"], capture_output=True, timeout=PATIENCE_S, check=False).returncode:
        pytest.skip("no container engine runs here")
    name = "recording-gateway-test:build"
    subprocess.run([docker, "build", "-q", "-t", name, str(ROOT)], check=True, timeout=840)
    try:
        said = subprocess.run(
            [docker, "run", "--rm", name, "--version"], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
        assert "gateway" in said.stdout
    finally:
        subprocess.run([docker, "image", "rm", "-f", name], capture_output=True, timeout=PATIENCE_S, check=False)


def test_every_folder_of_deploy_is_in_its_readme() -> None:
    readme = (DEPLOY / "README.md").read_text()
    for folder in DEPLOY.iterdir():
        assert folder.is_file() or f"({folder.name})" in readme or f"`{folder.name}/" in readme, folder.name
