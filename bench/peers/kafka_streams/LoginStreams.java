import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.Stores;

/** The daemon's job in Kafka Streams: the topology, and the program around it. */
public final class LoginStreams {
    static final String COUNTS = "counts";
    static final String PROCESSED = "processed";
    static final String ERRORS = "errors";
    static final String CLEANED = "cleaned";
    static final String METRICS = "metrics";
    static final String METRICS_AT_COMMIT = "metrics-at-commit";
    static final String SUMMARY = "summary";
    private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(10);

    private LoginStreams() {}

    static Topology topology(Settings settings) {
        Batches batches = new Batches();
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(
                Stores.keyValueStoreBuilder(
                                Stores.inMemoryKeyValueStore(COUNTS), Serdes.String(), Serdes.ByteArray())
                        .withCachingDisabled()
                        .withLoggingEnabled(Map.of()));
        KStream<String, byte[]> logins = builder.stream(
                settings.inputTopic,
                Consumed.with(sameKey(), Serdes.ByteArray())
                        .withTimestampExtractor((record, partitionTime) ->
                                record.timestamp() < 0 ? LoginProcessor.NO_TIMESTAMP : record.timestamp()));

        KStream<byte[], byte[]> records =
                logins.process(() -> new LoginProcessor(settings, batches), Named.as("login"), COUNTS);
        records.to(settings.processedTopic, bytes(PROCESSED));
        records.to(settings.errorsTopic, bytes(ERRORS));
        records.to(settings.cleanedTopic, bytes(CLEANED));

        KStream<byte[], byte[]> atCommit = logins.processValues(() -> new AtCommit.Marker(batches))
                .toTable(Materialized.<String, byte[]>as(Stores.inMemoryKeyValueStore("commit"))
                        .withKeySerde(Serdes.String())
                        .withValueSerde(Serdes.ByteArray())
                        .withCachingEnabled()
                        .withLoggingDisabled())
                .toStream()
                .process(() -> new AtCommit.Publisher(settings, batches), Named.as("at-commit"), COUNTS);
        atCommit.to(settings.summaryTopic, bytes(SUMMARY));

        if (settings.hasMetrics()) {
            records.to(settings.metricsTopic, bytes(METRICS));
            atCommit.to(settings.metricsTopic, bytes(METRICS_AT_COMMIT));
        }
        return builder.build();
    }

    private static Produced<byte[], byte[]> bytes(String name) {
        return Produced.with(Serdes.ByteArray(), Serdes.ByteArray()).withName(name);
    }

    /** The input's keys are not used; a table must have some, and one is all it takes. */
    private static Serde<String> sameKey() {
        return Serdes.serdeFrom(Serdes.String().serializer(), (topic, data) -> "");
    }

    public static void main(String[] arguments) throws InterruptedException {
        Settings settings;
        try {
            settings = new Settings();
        } catch (IllegalArgumentException wrong) {
            System.err.println("wrong settings: " + wrong.getMessage());
            System.exit(2);
            return;
        }
        KafkaStreams streams = new KafkaStreams(topology(settings), settings.streams());
        CountDownLatch ended = new CountDownLatch(1);
        AtomicBoolean hasFailed = new AtomicBoolean();
        AtomicBoolean hasStarted = new AtomicBoolean();
        streams.setStateListener((state, before) -> {
            if (state == KafkaStreams.State.RUNNING && hasStarted.compareAndSet(false, true)) {
                System.out.println("Kafka Consumer has started...");
            }
            if (state == KafkaStreams.State.ERROR || state == KafkaStreams.State.NOT_RUNNING) {
                ended.countDown();
            }
        });
        streams.setUncaughtExceptionHandler(failure -> {
            System.err.println("error: " + failure);
            hasFailed.set(true);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(CLOSE_TIMEOUT);
            Runtime.getRuntime().halt(hasFailed.get() ? 1 : 0);
        }));
        streams.start();
        ended.await();
        System.exit(hasFailed.get() ? 1 : 0);
    }
}
