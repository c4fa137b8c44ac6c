"""Shows the messages that were filtered out, and why."""

from kafka_processor.config import Settings
from kafka_processor.records import CleanedRecord
from kafka_processor.tail.tailing import View, first_columns, message_name
from kafka_processor.terminal.screen import YELLOW, Column, Screen, Table


def cleaned_view(screen: Screen, settings: Settings) -> View:
    table = Table(
        screen,
        (*first_columns(settings), Column("USER", 36)),
        (Column("APP", 10), Column("WHY", 20, YELLOW)),
    )

    def show(record: CleanedRecord, written: str) -> str:
        version = record.message_content.get("app_version")
        return table.row(
            written,
            message_name(record.message_id, record.replay_of),
            record.user_id,
            None if version is None else str(version),
            record.clean_type,
        )

    return View(CleanedRecord, table.heading(), show)
