"""Shows the messages that failed, and why."""

from kafka_processor.config import Settings
from kafka_processor.records import ErrorRecord
from kafka_processor.tail.tailing import View, first_columns, message_name
from kafka_processor.terminal.screen import DIM, RED, Column, Screen, Table


def errors_view(screen: Screen, settings: Settings) -> View:
    table = Table(
        screen,
        (*first_columns(settings), Column("USER", 36)),
        (Column("ERROR", 15, RED), Column("WHY", 60)),
        (Column("FIELDS PRESENT", 60, DIM),),
    )

    def show(record: ErrorRecord, written: str) -> str:
        return table.row(
            written,
            message_name(record.message_id, record.replay_of),
            record.user_id,
            record.error_type,
            record.error_message,
            _fields_present(record),
        )

    return View(ErrorRecord, table.heading(), show)


def _fields_present(record: ErrorRecord) -> str:
    if record.message_content is None:
        return "no content"
    # key_id is not a field of the message: it names the key of the pseudonym.
    content = {name: value for name, value in record.message_content.items() if name != "key_id"}
    without_value = [name for name, value in content.items() if value in (None, "")]
    text = "has " + ", ".join(name for name in content if name not in without_value)
    return f"{text}; without a value: {', '.join(without_value)}" if without_value else text
