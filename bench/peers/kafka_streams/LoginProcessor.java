import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** A message's way: its outcome, its record, its line of metrics, its place in the counts. */
final class LoginProcessor implements Processor<String, byte[], byte[], byte[]> {
    /** A message without one; Kafka Streams takes no negative timestamp. */
    static final long NO_TIMESTAMP = Long.MAX_VALUE;
    private static final long END_OF_9999 = 253_402_300_800_000L;
    private static final Pattern OFFSET = Pattern.compile("0|[1-9][0-9]{0,17}");

    private final Settings settings;
    private final Batches batches;
    private final Transformation transformation;
    private final LoginEvent event = new LoginEvent();
    private final JsonBytes out = new JsonBytes(4096);
    private final byte[][] middlesOfLines = new byte[Outcome.values().length][];
    private ProcessorContext<byte[], byte[]> context;
    private Batch batch;
    private byte[] messageIdPrefix;
    private String errorMessage;
    private long endOfLinesAt = -1;
    private byte[] endOfLines;

    LoginProcessor(Settings settings, Batches batches) {
        this.settings = settings;
        this.batches = batches;
        this.transformation = settings.transformation();
        for (Outcome outcome : Outcome.values()) {
            String topic = topicOf(outcome);
            String text = "\",\"outcome\":\"" + outcome.label + "\",\"topic\":"
                    + (topic == null ? "null" : '"' + topic + '"') + ",\"processing_time\":";
            middlesOfLines[outcome.ordinal()] = ascii(text);
        }
    }

    private String topicOf(Outcome outcome) {
        return switch (outcome) {
            case PROCESSED -> settings.processedTopic;
            case FILTERED -> settings.cleanedTopic;
            case SKIPPED -> null;
            default -> settings.errorsTopic;
        };
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        int partition = context.taskId().partition();
        KeyValueStore<String, byte[]> store = context.getStateStore(LoginStreams.COUNTS);
        byte[] stored = store.get(settings.summaryKey(partition));
        batch = batches.start(context.taskId(), stored == null ? null : Counts.of(stored));
        messageIdPrefix = ascii(settings.inputTopic + "-" + partition + "-");
    }

    @Override
    public void process(Record<String, byte[]> record) {
        long began = System.nanoTime();
        long now = context.currentSystemTimeMs();
        long offset = context.recordMetadata().orElseThrow().offset();
        boolean hasAge = record.timestamp() != NO_TIMESTAMP;
        long age = now - record.timestamp();
        String replayOf = replayedMessage(record.headers().toArray(), offset);
        Counts counts = batch.countsAt(offset);
        Outcome outcome;
        if (hasAge && settings.maxMessageAge > 0 && age > settings.maxMessageAge) {
            outcome = Outcome.SKIPPED;
        } else {
            outcome = examine(record.value(), offset, replayOf);
            if (outcome == Outcome.PROCESSED) {
                counts.addProcessed(event.text(LoginEvent.DEVICE_TYPE), event.text(LoginEvent.LOCALE));
                publish(event.text(LoginEvent.USER_ID), now, LoginStreams.PROCESSED);
            } else if (outcome == Outcome.FILTERED) {
                writeCleaned(offset, now, replayOf);
                publish(event.text(LoginEvent.USER_ID), now, LoginStreams.CLEANED);
            } else {
                boolean hasUser = outcome != Outcome.PARSE_ERROR && event.isValid(LoginEvent.USER_ID);
                String userId = hasUser ? event.text(LoginEvent.USER_ID) : null;
                writeError(outcome, userId, record.timestamp(), offset, now, replayOf);
                publish(userId, now, LoginStreams.ERRORS);
            }
        }
        counts.add(outcome, replayOf != null);
        if (settings.hasMetrics()) {
            if (batch.isFull()) {
                context.forward(new Record<>(null, batch.takeLines(), now), LoginStreams.METRICS);
            }
            writeLine(outcome, offset, hasAge, age, now, System.nanoTime() - began, replayOf);
        }
    }

    private void publish(String userId, long now, String sink) {
        byte[] key = userId == null ? null : userId.getBytes(StandardCharsets.UTF_8);
        context.forward(new Record<>(key, out.copy(), now), sink);
    }

    /** The outcome; the record of a message that is processed is in `out` then. */
    private Outcome examine(byte[] value, long offset, String replayOf) {
        if (value == null || value.length == 0) {
            errorMessage = "the message has no value";
            return Outcome.PARSE_ERROR;
        }
        try {
            event.read(value);
        } catch (IOException broken) {
            errorMessage = "the message is no JSON object in UTF-8";
            return Outcome.PARSE_ERROR;
        }
        errorMessage = event.missing();
        if (errorMessage != null) {
            return Outcome.MISSING_FIELD;
        }
        errorMessage = event.invalid();
        if (errorMessage != null) {
            return Outcome.INVALID_FIELD;
        }
        if (!settings.acceptedAppVersions.contains(event.text(LoginEvent.APP_VERSION))) {
            return Outcome.FILTERED;
        }
        return transform(offset, replayOf) ? Outcome.PROCESSED : Outcome.TRANSFORM_ERROR;
    }

    private boolean transform(long offset, String replayOf) {
        long time = Transformation.eventTime(
                event.text(LoginEvent.TIMESTAMP), event.isNumber(LoginEvent.TIMESTAMP));
        startRecord(offset, event.text(LoginEvent.USER_ID));
        out.ascii(",\"app_version\":").string(event.text(LoginEvent.APP_VERSION));
        out.ascii(",\"device_type\":").string(event.text(LoginEvent.DEVICE_TYPE));
        out.ascii(",\"locale\":").string(event.text(LoginEvent.LOCALE));
        out.ascii(",\"ip\":\"");
        boolean isIp = transformation.maskIp(event.text(LoginEvent.IP), out);
        if (!isIp || time == Transformation.NO_TIME) {
            errorMessage = (isIp ? "" : "ip is not an IP address")
                    + (isIp || time != Transformation.NO_TIME ? "" : "; ")
                    + (time == Transformation.NO_TIME ? "timestamp is not a time between 1970 and 9999" : "");
            return false;
        }
        out.ascii("\",\"device_id\":\"").hex(transformation.pseudonym(event.text(LoginEvent.DEVICE_ID)));
        out.ascii("\",\"key_id\":\"").raw(transformation.keyId());
        out.ascii("\",\"timestamp\":\"").time(time, false).raw('"');
        endRecord(out, replayOf);
        return true;
    }

    private void writeCleaned(long offset, long now, String replayOf) {
        startRecord(offset, event.text(LoginEvent.USER_ID));
        out.ascii(",\"clean_type\":\"filtered_app_version\",\"message_content\":");
        writeContent();
        out.ascii(",\"timestamp\":\"").time(now, true).raw('"');
        endRecord(out, replayOf);
    }

    private void writeError(
            Outcome outcome, String userId, long timestamp, long offset, long now, String replayOf) {
        startRecord(offset, userId);
        out.ascii(",\"error_type\":\"").ascii(outcome.label);
        out.ascii("\",\"error_message\":").string(errorMessage);
        out.ascii(",\"message_content\":");
        if (outcome == Outcome.PARSE_ERROR) {
            out.ascii("null");
        } else {
            writeContent();
        }
        out.ascii(",\"source\":{\"topic\":").string(settings.inputTopic);
        out.ascii(",\"partition\":").number(context.taskId().partition());
        out.ascii(",\"offset\":").number(offset);
        if (timestamp < END_OF_9999) {
            out.ascii(",\"timestamp\":\"").time(timestamp, true).ascii("\"}");
        } else {
            out.ascii(",\"timestamp\":null}");
        }
        out.ascii(",\"timestamp\":\"").time(now, true).raw('"');
        endRecord(out, replayOf);
    }

    private void startRecord(long offset, String userId) {
        out.truncate(0);
        out.ascii("{\"message_id\":\"").raw(messageIdPrefix).number(offset);
        out.ascii("\",\"user_id\":");
        if (userId == null) {
            out.ascii("null");
        } else {
            out.string(userId);
        }
    }

    private static void endRecord(JsonBytes out, String replayOf) {
        if (replayOf != null) {
            out.ascii(",\"replay_of\":\"").ascii(replayOf).raw('"');
        }
        out.raw('}');
    }

    /** The listed fields that were present, fit to leave the house. */
    private void writeContent() {
        char separator = '{';
        boolean hasPseudonym = false;
        for (int field = 0; field < LoginEvent.FIELDS.length; field++) {
            if (!event.isPresent(field)) {
                continue;
            }
            out.raw(separator).raw('"').ascii(LoginEvent.FIELDS[field]).raw('"').raw(':');
            separator = ',';
            if (event.isEmptyString(field)) {
                out.ascii(field == LoginEvent.DEVICE_ID ? "null" : "\"\"");
            } else if (!event.isValid(field)) {
                out.ascii("null");
            } else if (field == LoginEvent.DEVICE_ID) {
                out.raw('"').hex(transformation.pseudonym(event.text(field))).raw('"');
                hasPseudonym = true;
            } else if (field == LoginEvent.IP) {
                int before = out.length();
                out.raw('"');
                if (transformation.maskIp(event.text(field), out)) {
                    out.raw('"');
                } else {
                    out.truncate(before);
                    out.ascii("null");
                }
            } else if (event.isNumber(field)) {
                out.ascii(event.text(field));
            } else {
                out.string(event.text(field));
            }
        }
        if (hasPseudonym) {
            out.ascii(",\"key_id\":\"").raw(transformation.keyId()).raw('"');
        }
        if (separator == '{') {
            out.raw('{');
        }
        out.raw('}');
    }

    private void writeLine(
            Outcome outcome, long offset, boolean hasAge, long age, long now, long spent, String replayOf) {
        JsonBytes line = batch.nextLine();
        line.ascii("{\"message_id\":\"").raw(messageIdPrefix).number(offset);
        line.raw(middlesOfLines[outcome.ordinal()]).nanoseconds(spent);
        line.ascii(",\"latency\":");
        if (hasAge) {
            line.milliseconds(age);
        } else {
            line.ascii("null");
        }
        if (now != endOfLinesAt) {
            endOfLines = new JsonBytes(64).ascii(",\"timestamp\":\"").time(now, true).raw('"').copy();
            endOfLinesAt = now;
        }
        endRecord(line.raw(endOfLines), replayOf);
    }

    /** The earlier message of the partition that this one repeats; null if it repeats none. */
    private String replayedMessage(Header[] headers, long offset) {
        for (Header header : headers) {
            if (header.key().equals("replay-of") && header.value() != null) {
                String id = new String(header.value(), StandardCharsets.ISO_8859_1);
                String prefix = new String(messageIdPrefix, StandardCharsets.ISO_8859_1);
                String number = id.startsWith(prefix) ? id.substring(prefix.length()) : "";
                if (OFFSET.matcher(number).matches() && Long.parseLong(number) < offset) {
                    return id;
                }
            }
        }
        return null;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
