"""The settings as `--help` shows them."""

import shutil
import textwrap

from kafka_processor.config import SECTIONS, rules
from kafka_processor.terminal.arguments import MAX_WIDTH


def settings_help() -> str:
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH) - 2
    lines = ["settings, from environment variables or a file .env (an empty value is not set):"]
    for name, rule in rules():
        if name in SECTIONS:
            lines += ["", f"  {SECTIONS[name]}"]
        lines.append(f"    {name} (default: {rule.default or 'not set'})")
        text = f"{rule.meaning}. Use {rule.allowed}."
        lines += textwrap.wrap(text, width, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return "\n".join(lines)
