"""What a daemon answers on its OPS_PORT."""

import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[str, ...]
"""Values of a sample's labels, in the order of their names."""


def get(port: int, path: str) -> tuple[int, str]:
    """Status and text. OSError where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def is_ready(port: int) -> bool:
    try:
        return get(port, "/readyz")[0] == 200
    except OSError:
        return False


def metrics(port: int) -> dict[str, dict[Labels, float]]:
    """Samples by their name."""
    status, text = get(port, "/metrics")
    assert status == 200, text
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found
