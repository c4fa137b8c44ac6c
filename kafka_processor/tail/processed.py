"""Shows the events that were processed."""

from kafka_processor.config import Settings
from kafka_processor.records import ProcessedRecord
from kafka_processor.tail.tailing import View, first_columns, message_name
from kafka_processor.terminal.screen import GREEN, Column, Screen, Table, shortened


def processed_view(screen: Screen, settings: Settings) -> View:
    table = Table(
        screen,
        (*first_columns(settings), Column("USER", 36)),
        (
            Column("APP", 6),
            Column("DEVICE", 7, GREEN),
            Column("LOCALE", 6),
            Column("IP (MASKED)", 16),
            Column("DEVICE ID", 9),
            Column("EVENT TIME", 24),
        ),
    )

    def show(record: ProcessedRecord, written: str) -> str:
        return table.row(
            written,
            message_name(record.message_id, record.replay_of),
            record.user_id,
            record.app_version,
            record.device_type,
            record.locale,
            record.ip,
            shortened(record.device_id, 9),
            record.timestamp,
        )

    return View(ProcessedRecord, table.heading(), show)
