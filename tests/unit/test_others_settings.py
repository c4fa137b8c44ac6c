"""What OpenTelemetry's and OpenLineage's settings turn on, and what is wrong with them."""

import os
from pathlib import Path

import pytest

from kafka_processor.environment.openlineage_settings import is_lineage_enabled
from kafka_processor.environment.otel_settings import enabled_signals
from kafka_processor.errors import SettingsError

BOTH = frozenset({"traces", "metrics"})
HERE = "http://localhost:4318"


def otlp(**settings: str) -> dict[str, str]:
    return {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in settings.items()}


@pytest.mark.parametrize(
    ("given", "signals"),
    [
        ({}, frozenset()),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}, frozenset()),
        (otlp(ENDPOINT=HERE), BOTH),
        (otlp(ENDPOINT=" "), frozenset()),
        (otlp(TRACES_ENDPOINT=HERE), frozenset({"traces"})),
        (otlp(METRICS_ENDPOINT="https://[::1]:4318/v1/metrics"), frozenset({"metrics"})),
        (otlp(LOGS_ENDPOINT=HERE), frozenset()),
        (otlp(ENDPOINT=HERE, PROTOCOL="http/protobuf"), BOTH),
        (otlp(ENDPOINT=HERE) | {"OTEL_SDK_DISABLED": "True"}, frozenset()),
        (otlp(ENDPOINT=HERE) | {"OTEL_SDK_DISABLED": "false"}, BOTH),
        (otlp(ENDPOINT=HERE) | {"OTEL_METRICS_EXPORTER": "none"}, frozenset({"traces"})),
        (otlp(ENDPOINT=HERE) | {"OTEL_TRACES_EXPORTER": "console, otlp"}, BOTH),
        (otlp(PROTOCOL="grpc"), frozenset()),
    ],
)
def test_a_signal_is_sent_where_it_has_an_endpoint(
    given: dict[str, str], signals: frozenset[str]
) -> None:
    assert enabled_signals(given) == signals


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            otlp(ENDPOINT=HERE, PROTOCOL="grpc"),
            "OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not supported; use http/protobuf, "
            "and an endpoint for it",
        ),
        (
            otlp(ENDPOINT=HERE, METRICS_PROTOCOL="http/json"),
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json' is not supported; use http/protobuf, "
            "and an endpoint for it",
        ),
        *(
            (
                otlp(TRACES_ENDPOINT=HERE) | otlp(**{name: "/no/such/file"}),
                f"OTEL_EXPORTER_OTLP_{name}: '/no/such/file' is not a file; "
                "use the path of a PEM file",
            )
            for name in ("CERTIFICATE", "TRACES_CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
        ),
        *(
            (
                otlp(ENDPOINT=address),
                "OTEL_EXPORTER_OTLP_ENDPOINT: is not a URL; use the form http://localhost:4318",
            )
            for address in ("localhost:4318", "grpc://a:4317", "http://", "http://[", "http://a:x")
        ),
    ],
)
def test_what_cannot_be_sent_to_is_one_line(given: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError) as raised:
        enabled_signals(given)
    assert raised.value.lines == [line]


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a home without files."""
    (tmp_path / "home" / ".openlineage").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("given", "is_wanted"),
    [
        ({}, False),
        ({"OPENLINEAGE_NAMESPACE": "x", "OPENLINEAGE_API_KEY": "y"}, False),
        ({"OPENLINEAGE_URL": "http://localhost:5000"}, True),
        ({"OPENLINEAGE__TRANSPORT__TYPE": "file"}, True),
        ({"OPENLINEAGE_URL": "http://localhost:5000", "OPENLINEAGE_DISABLED": "true"}, False),
    ],
)
@pytest.mark.usefixtures("nowhere")
def test_lineage_is_told_where_its_client_is_configured(
    given: dict[str, str], is_wanted: bool
) -> None:
    assert is_lineage_enabled(given) is is_wanted


@pytest.mark.parametrize("place", ["work/openlineage.yml", "home/.openlineage/openlineage.yml"])
def test_a_file_where_the_client_looks_for_it_configures_it(nowhere: Path, place: str) -> None:
    (nowhere / place).touch()
    assert is_lineage_enabled({})


@pytest.mark.usefixtures("nowhere")
def test_a_home_that_may_not_be_searched_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    assert not is_lineage_enabled({})


def test_a_file_that_is_named_has_to_be_there(nowhere: Path) -> None:
    file = nowhere / "lineage.yml"
    with pytest.raises(SettingsError, match=r"^OPENLINEAGE_CONFIG: .* is not a file; use "):
        is_lineage_enabled({"OPENLINEAGE_CONFIG": str(file)})
    file.touch()
    assert is_lineage_enabled({"OPENLINEAGE_CONFIG": str(file)})


@pytest.mark.parametrize("is_named", [True, False])
def test_a_file_that_others_may_write_is_refused(nowhere: Path, is_named: bool) -> None:
    """It may name code to load."""
    file = nowhere / "work" / "openlineage.yml"
    file.touch()
    file.chmod(0o666)
    with pytest.raises(SettingsError, match=f"chmod go-w {file}"):
        is_lineage_enabled({"OPENLINEAGE_CONFIG": str(file)} if is_named else {})
    assert not is_lineage_enabled({"OPENLINEAGE_DISABLED": "true"})


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")
def test_a_file_of_another_user_in_the_working_folder_is_refused(nowhere: Path) -> None:
    file = nowhere / "work" / "openlineage.yml"
    file.touch()
    os.chown(file, 12345, 12345)
    with pytest.raises(SettingsError, match="another user"):
        is_lineage_enabled({})
    assert is_lineage_enabled({"OPENLINEAGE_CONFIG": str(file)})


def test_a_working_folder_that_is_gone_has_no_file(nowhere: Path) -> None:
    (nowhere / "work").rmdir()
    assert not is_lineage_enabled({})
    (nowhere / "home" / ".openlineage" / "openlineage.yml").touch()
    assert is_lineage_enabled({})
